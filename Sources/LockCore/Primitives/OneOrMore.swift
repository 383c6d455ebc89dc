/// A list that is mostly of one element, which then takes no memory of its own.
package enum OneOrMore<Element: Hashable & Sendable>: Sendable {
    case one(Element)
    /// Any number of elements, also one or none.
    case list([Element])
}

extension OneOrMore: RandomAccessCollection {
    package var startIndex: Int { 0 }

    package var endIndex: Int {
        switch self {
        case .one: 1
        case .list(let elements): elements.count
        }
    }

    package subscript(index: Int) -> Element {
        switch self {
        case .one(let element):
            precondition(index == 0, "There is only one element.")
            return element
        case .list(let elements):
            return elements[index]
        }
    }
}

// Lists are equal if their elements are, however they are stored.
extension OneOrMore: Hashable {
    package static func == (one: Self, other: Self) -> Bool { one.elementsEqual(other) }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        for element in self { hasher.combine(element) }
    }
}

extension OneOrMore: ExpressibleByArrayLiteral {
    package init(_ elements: [Element]) {
        self = elements.count == 1 ? .one(elements[0]) : .list(elements)
    }

    package init(arrayLiteral elements: Element...) {
        self.init(elements)
    }
}

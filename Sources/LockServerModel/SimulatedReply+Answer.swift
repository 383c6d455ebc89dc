package import LockCore

extension SimulatedReply {
    package func answer(to work: Engine.Work) -> Engine.Answer {
        if let position { return .position(position) }
        if let requests { return .requests(requests) }
        if let count { return .lockCount(count) }
        return Engine.Answer(rows, failure: failure, to: work)
    }

    /// A row that says which key was taken: its place from 1 on, the lowest bit first.
    package static func bits(of place: Int) -> [Bool] { (0..<10).map { (place + 1) >> $0 & 1 == 1 } }
}

extension Engine.Answer {
    /// What the Booleans mean that statements answer to this work. (Written without a look at how production reads them.)
    package init(_ rows: [Bool], failure: Failure? = nil, to work: Engine.Work?) {
        switch (work, failure) {
        case (.batch, _), (nil, _): self = .keys(OneOrMore(rows), failure: failure)
        case (.tryAny, _):
            var places: [Int] = []
            for row in stride(from: 0, through: rows.count - 10, by: 10) {
                places.append((0..<10).reduce(-1) { $0 + (rows[row + $1] ? 1 << $1 : 0) })
            }
            let isReadable = rows.count == places.count * 10 && !places.contains(-1)
            self = isReadable ? .chosen(places, failure: failure) : .chosen([], failure: .unexpectedAnswer)
        case (_, let failure?): self = .failed(failure)
        case (.begin, nil), (.commit, nil), (.heartbeat, nil), (.statement, nil), (.releaseHeld, nil): self = .done
        case (.wait, nil), (.releaseAll, nil): self = rows.first == true ? .done : .failed(.unexpectedAnswer)
        case (.cancel, nil): self = .cancelled(rows.first == true)
        case (.changeMode, nil):
            self = rows.first == false ? .failed(.unexpectedAnswer) : .changed(!rows.isEmpty)
        case (.askActivity, nil):
            switch (rows.first, rows.dropFirst().first, rows.last) {
            case (false, _, _): self = .activity(.hidden)
            case (true, true, let isHeard?): self = .activity(.active(isHeard: isHeard))
            default: self = .activity(.quiet)
            }
        case (.look, nil):
            self = .looks(rows.indices.dropLast().filter { $0 % 2 == 0 }.map { .init(isDone: rows[$0], isBuildWaiting: rows[$0 + 1]) })
        case (.askRequests, nil), (.countLocks, nil), (.position, nil): self = .failed(.unexpectedAnswer)
        }
    }
}

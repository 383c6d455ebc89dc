#if ConfigurationSupport
    import Configuration

    /// Reads values of swift-configuration. A key that has no value leaves a setting as it is; a value of another type is an error.
    ///
    /// Errors name the key, never the value, which may be a secret.
    struct ConfigurationValues {
        private let reader: ConfigReader

        init(_ reader: ConfigReader) { self.reader = reader }

        func read(_ key: String, into setting: inout String?, isSecret: Bool = false) throws {
            setting = try value(key, "text", reader.string(forKey: ConfigKey(key), isSecret: isSecret)) ?? setting
        }

        func read(_ key: String, into setting: inout String) throws {
            setting = try value(key, "text", reader.string(forKey: ConfigKey(key))) ?? setting
        }

        func read(_ key: String, into setting: inout Int) throws {
            setting = try value(key, "a whole number", reader.int(forKey: ConfigKey(key))) ?? setting
        }

        func read(_ key: String, into setting: inout Bool) throws {
            setting = try value(key, "true or false", reader.bool(forKey: ConfigKey(key))) ?? setting
        }

        func read(_ key: String, into setting: inout Duration) throws {
            guard let seconds = try number(key, "a number of seconds") else { return }
            guard abs(seconds) < 1e10 else { throw invalid(key, "a number of seconds that is short enough") }
            setting = .seconds(seconds)
        }

        func number(_ key: String, _ type: String = "a number") throws -> Double? {
            // A provider may tell whole numbers from others.
            try value(key, type, reader.double(forKey: ConfigKey(key)) ?? reader.int(forKey: ConfigKey(key)).map(Double.init))
        }

        func int(_ key: String) throws -> Int? { try value(key, "a whole number", reader.int(forKey: ConfigKey(key))) }

        /// swift-configuration returns `nil` for what is missing, and for what is of another type.
        private func value<Value>(_ key: String, _ type: String, _ value: Value?) throws -> Value? {
            guard value == nil, hasValue(ConfigKey(key)) else { return value }
            throw invalid(key, type)
        }

        private func hasValue(_ key: ConfigKey) -> Bool {
            reader.string(forKey: key, isSecret: true) != nil || reader.double(forKey: key, isSecret: true) != nil
                || reader.int(forKey: key, isSecret: true) != nil || reader.bool(forKey: key, isSecret: true) != nil
                || reader.stringArray(forKey: key, isSecret: true) != nil || reader.bytes(forKey: key, isSecret: true) != nil
        }

        private func invalid(_ key: String, _ type: String) -> LockError {
            LockError(.badConfiguration, "The configuration's value of \(key) is not \(type). Correct it, or leave it out for the default.")
        }
    }
#endif

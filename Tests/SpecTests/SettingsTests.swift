import Foundation
import Spec
import Testing

/// Settings of the tests' own, as docs/adding-a-setting.md adds one.
struct Kettle: Settings {
    var volume: UInt64?
    var heat: UInt64?
    var cups: Int?
    var tea: String?

    static let name = "Kettle"
    static let about = "What boils."
    static let fields: [Field<Kettle>] = [
        .bytes("volume", \.volume, 1024...4096, "What it holds."),
        .cores("heatPower", \.heat, 1...2000, "How it is heated."),
        .count("cups", \.cups, 1...10, default: "2", "For whom."),
        .text("tea", \.tea, .any, 1...5, "What is in it."),
    ]
}

@Suite struct SettingsTests {
    @Test func aNameIsSpelledAsEachPlaceHasIt() {
        let name = FieldName("ioReadBps")
        #expect([name.json, name.key, name.option, name.spoken] == ["ioReadBps", "io_read_bps", "io-read-bps", "io read bps"])
    }

    @Test(arguments: [
        ("volume", "1K", JSONValue.integer(1024)), ("volume", "4096", 4096), ("heatPower", "0.5", 500), ("heatPower", "2", 2000),
        ("cups", "10", 10), ("tea", "green", "green"),
    ]) func whatPeopleWriteIsTaken(name: String, text: String, value: JSONValue) throws {
        var kettle = Kettle()
        try kettle.set(FieldName(name), written: text)
        #expect(kettle.json == .object([name: value]))
        #expect(try Kettle(checking: kettle.json) == kettle)
    }

    @Test(arguments: [
        ("volume", "1023", "must be a size from 1K up to 4K, not '1023'"),
        ("volume", "5K", "must be a size from 1K up to 4K, not '5K'"),
        ("volume", "x", "must be a size like 512M or 2G, not 'x'"), ("volume", "-1", "must be a size like 512M or 2G, not '-1'"),
        ("heatPower", "0", "must be a number of CPUs from 0.001 to 2, not '0'"),
        ("heatPower", "0.0001", "must be a number of CPUs like 0.5 or 2, not '0.0001'"),
        ("heatPower", "1e3", "must be a number of CPUs like 0.5 or 2, not '1e3'"),
        ("heatPower", "nan", "must be a number of CPUs like 0.5 or 2, not 'nan'"),
        ("cups", "11", "must be a whole number from 1 to 10, not '11'"),
        ("cups", "1.5", "must be a whole number from 1 to 10, not '1.5'"),
        ("cups", "99999999999999999999", "must be a whole number from 1 to 10, not '99999999999999999999'"),
        ("tea", "", "must have 1 to 5 characters, not 0"),
    ]) func whatCannotBeIsNamed(name: String, text: String, reason: String) {
        var kettle = Kettle()
        #expect(throws: FieldFault(name, reason)) { try kettle.set(FieldName(name), written: text) }
        #expect(kettle.isEmpty)
    }

    @Test func JSONIsCheckedWhereItIsTakenAndReadWhereItWasChecked() throws {
        #expect(throws: FieldFault("spout", "there is no such field; there are cups, heatPower, tea, volume")) {
            try Kettle(checking: ["spout": 1])
        }
        #expect(throws: FieldFault("cups", "must be a whole number from 1 to 10")) { try Kettle(checking: ["cups": 11]) }
        #expect(throws: FieldFault("cups", "must be a whole number, not text")) { try Kettle(checking: ["cups": "1"]) }
        #expect(throws: FieldFault("tea", "must be text, not null; leave it out")) { try Kettle(checking: ["tea": .null]) }
        #expect(throws: FieldFault("tea", "can't have a NUL character in it")) { try Kettle(checking: ["tea": "\0"]) }
        let stored = try JSONDecoder().decode(Kettle.self, from: Data(#"{"cups": 11, "spout": 1, "tea": null}"#.utf8))
        #expect(stored.cups == 11)
        let text = String(decoding: try JSONEncoder().encode(stored), as: UTF8.self)
        #expect(text == #"{"cups":11}"#)
    }

    @Test func aChangeSetsAndLifts() throws {
        var kettle = Kettle(volume: 2048, cups: 3)
        try kettle.apply(Kettle(cups: 4), lifting: ["volume"])
        #expect(kettle == Kettle(cups: 4))
        #expect(throws: FieldFault("cups", "can't be both set and lifted")) {
            try kettle.apply(Kettle(cups: 4), lifting: ["cups"])
        }
        #expect(throws: FieldFault("lift[0]", "there is no 'lid' to be lifted; there are cups, heatPower, tea, volume")) {
            try kettle.apply(Kettle(), lifting: ["lid"])
        }
    }

    @Test func whatIsSetIsToldAsPeopleWriteIt() {
        #expect(Kettle(volume: 2048, heat: 1500, cups: 3).summary == "volume 2K, heat power 1.5, cups 3")
    }

    @Test(
        arguments: [
            ("90s", 90), ("10m", 600), ("2h", 7200), ("7", 7), ("0.1", 0.1), ("250ms", 0.25), ("1.5m", 90), ("s", nil),
            ("-1s", nil),
            ("1y", nil), ("", nil), ("1 s", nil),
        ] as [(String, Double?)]) func timesAreRead(text: String, seconds: Double?)
    {
        let value = try? FieldKind.seconds(0...10_000).value(of: text)
        #expect(value == seconds.map { $0 == $0.rounded() ? .integer(Int64($0)) : .number($0) })
    }

    /// Texts for people can be read back.
    @Test func textsOfValuesAreTheirValues() throws {
        for field in Limits.table.fields {
            for value in field.kind.bound {
                let text = field.kind.text(of: value)
                #expect(try field.kind.value(of: text) == value, "\(field.name) \(text)")
            }
        }
    }
}

extension FieldKind {
    /// The least and the most, and a value between.
    fileprivate var bound: [JSONValue] {
        switch self {
        case .bytes(let range), .cores(let range):
            [range.lowerBound, range.lowerBound + 1, range.upperBound].map { .integer(Int64($0)) }
        case .count(let range): [range.lowerBound, range.lowerBound + 1, range.upperBound].map { .integer($0) }
        default: []
        }
    }
}

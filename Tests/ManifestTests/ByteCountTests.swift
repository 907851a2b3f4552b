import Manifest
import Spec
import Testing

@Suite struct ByteCountTests {
    @Test(
        arguments: [
            ("1", 1), ("4096", 4096), ("512B", 512), ("50M", 50 << 20), ("20G", 20 << 30), ("1.5GiB", 3 << 29), ("1k", 1024),
            ("2TB", 2 << 40), ("0.5K", 512), ("9007199254740993", 9_007_199_254_740_993), ("8388607T", 8_388_607 << 40),
        ] as [(String, UInt64)])
    func aSizeIsRead(_ text: String, _ bytes: UInt64) {
        #expect(ByteCount(text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", "0", "0G", "-1", "+1", "M", ".", "1.2.3", "1e3", "0x10", "5 M", " 5", "5Z", "1BB", "1BiB", "1KBiB", "1KiBB", "1Ki",
        "٣",
        "8388608T", "99999999999999999999", "18446744073709551616", "0.0001", "nan", "inf",
    ])
    func whatIsNoSizeIsRefused(_ text: String) {
        #expect(ByteCount(text) == nil)
    }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (50 << 20, "50 MiB"), (1_100_000, "1 MiB"),
            (15_300_000, "15 MiB"), (1_047_000, "1023 KiB"), (3 << 40, "3 TiB"), (5 << 50, "5120 TiB"),
        ] as [(UInt64, String)])
    func aSizeIsPrintedShort(_ bytes: UInt64, _ text: String) {
        #expect(ByteCount(bytes: bytes).description == text)
    }

    @Test func wholeSizesPrintAsTheyAreRead() {
        for unit in ["KiB", "MiB", "GiB", "TiB"] {
            for number in [1, 9, 10, 1023] { #expect(ByteCount("\(number)\(unit)")?.description == "\(number) \(unit)") }
        }
    }
}

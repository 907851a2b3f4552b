/// A list of CPUs as the kernel writes it: `0-3,6` (cpuset(7), "List format").
public enum CPUList {
    /// The CPUs, or nil when it isn't such a list.
    public static func parse(_ text: String) -> Set<Int>? {
        var found: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { number in
                number.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(number) : nil
            }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last, last < 1 << 16
            else {
                return nil
            }
            found.formUnion(first...last)
        }
        return found
    }
}

extension FixedWidthInteger {
    /// The sum, or the greatest number: two sparse files have more bytes together than there are numbers.
    public func saturatingAdd(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

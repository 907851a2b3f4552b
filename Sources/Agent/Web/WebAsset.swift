import CWebPage

/// A file of the web page, which is inside the program.
struct WebAsset: Sendable {
    /// As it is asked for; empty for the page itself.
    let name: String
    /// Its media type.
    let type: String
    let content: [UInt8]
    /// Another one for any other content.
    let tag: String

    /// By name.
    static let all: [String: WebAsset] = {
        var all: [String: WebAsset] = [:]
        var index = 0
        while let asset = dish_web_asset_at(index)?.pointee {
            let name = String(cString: asset.name)
            all[name] = WebAsset(
                name: name, type: String(cString: asset.type),
                content: Array(UnsafeBufferPointer(start: asset.bytes, count: asset.length)))
            index += 1
        }
        return all
    }()

    private init(name: String, type: String, content: [UInt8]) {
        self.name = name
        self.type = type
        self.content = content
        // FNV-1a: what it has to tell apart is one file's versions.
        let hash = content.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        tag = "\"\(String(hash, radix: 16))\""
    }
}

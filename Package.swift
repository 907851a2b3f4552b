// swift-tools-version:6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// Libraries are linked as archives: programs run where they aren't installed.
// One direction of dependency: a module may use what stands above it, never below.
let package = Package(
    name: "butterdish",
    products: [
        .executable(name: "dish", targets: ["dish"]),
        .executable(name: "dishd", targets: ["dishd"]),
        .executable(name: "dish-helper", targets: ["dish-helper"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    ],
    targets: [
        .target(name: "CLinux"),
        .target(name: "Spec", swiftSettings: settings),
        .target(name: "CWebPage", exclude: ["page"]),
        .systemLibrary(name: "CSeccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CYAML", providers: [.apt(["libyaml-dev"])]),
        .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: settings),
        .target(name: "Btrfs", dependencies: ["CLinux", "Linux"], swiftSettings: settings),
        .target(name: "CSendStream"),
        .target(
            name: "SendStream", dependencies: ["CLinux", "CSendStream", "Linux"],
            swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")],
            linkerSettings: [.linkedLibrary(":libz.a"), .linkedLibrary(":libzstd.a")]),
        .target(name: "Networks", dependencies: ["CLinux", "Linux", "Spec"], swiftSettings: settings),
        .target(name: "Cgroups", dependencies: ["CLinux", "Linux", "Spec"], swiftSettings: settings),
        .target(name: "TaskHelper", dependencies: ["CLinux", "Cgroups", "Linux", "Spec"], swiftSettings: settings),
        .target(
            name: "Seccomp", dependencies: ["CLinux", "CSeccomp", "Linux"], swiftSettings: settings,
            linkerSettings: [.linkedLibrary(":libseccomp.a")]),
        .target(
            name: "TaskAccess", dependencies: ["CLinux", "Linux", "Seccomp", "TaskHelper"], swiftSettings: settings),
        .target(name: "Runtime", dependencies: ["CLinux", "Linux"], swiftSettings: settings),
        .target(
            name: "Manifest",
            dependencies: ["CYAML", "Spec"],
            swiftSettings: settings,
            linkerSettings: [.linkedLibrary(":libyaml.a")]
        ),
        .target(
            name: "Layers",
            dependencies: ["Btrfs", "CLinux", "Linux", "SendStream", "Spec", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings
        ),
        .target(
            name: "OCI",
            dependencies: ["CLinux", "Linux", "Layers", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings
        ),
        .target(
            name: "DebianPackages", dependencies: ["CLinux", "Linux", "OCI", "Runtime"], swiftSettings: settings),
        .target(
            name: "Builder",
            dependencies: [
                "Btrfs", "CLinux", "Cgroups", "DebianPackages", "Layers", "Linux", "Manifest", "OCI", "Runtime", "Seccomp",
                "Spec", "TaskAccess", "TaskHelper",
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Registry",
            dependencies: [
                "CLinux", "Linux", "Btrfs", "SendStream", "Layers", "OCI", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "AgentAPI",
            dependencies: ["Linux", "Spec"],
            swiftSettings: settings
        ),
        .target(
            name: "Agent",
            dependencies: [
                "AgentAPI", "Btrfs", "CLinux", "CWebPage", "Cgroups", "Layers", "Linux", "Networks", "OCI", "Registry", "Runtime",
                "Seccomp", "Spec", "TaskAccess", "TaskHelper", .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"), .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "dish",
            dependencies: [
                "AgentAPI", "Btrfs", "Builder", "CLinux", "Cgroups", "Layers", "Linux", "Manifest", "Networks", "OCI", "Registry",
                "Runtime", "SendStream", "Spec", "TaskAccess", "TaskHelper",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "dishd",
            dependencies: [
                "Spec",
                "Agent", "AgentAPI", "CLinux", "Layers", "Linux", "Manifest", "Networks", "Runtime",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "dish-helper",
            dependencies: ["CLinux", "Cgroups", "Linux", "Spec", "TaskHelper"],
            swiftSettings: settings
        ),

        // Unit tests: no privileges.
        .testTarget(name: "SpecTests", dependencies: ["Spec"], swiftSettings: settings),
        .testTarget(name: "LinuxTests", dependencies: ["CLinux", "Linux"], swiftSettings: settings),
        .testTarget(name: "SendStreamTests", dependencies: ["CSendStream", "SendStream"], swiftSettings: settings),
        .testTarget(name: "NetworksTests", dependencies: ["Linux", "Networks", "Spec"], swiftSettings: settings),
        .testTarget(name: "CgroupsTests", dependencies: ["Cgroups", "Linux", "Spec"], swiftSettings: settings),
        .testTarget(name: "TaskHelperTests", dependencies: ["Cgroups", "Linux", "Spec", "TaskHelper"], swiftSettings: settings),
        .testTarget(name: "SeccompTests", dependencies: ["Linux", "Seccomp"], swiftSettings: settings),
        .testTarget(
            name: "TaskAccessTests", dependencies: ["CLinux", "Linux", "TaskAccess", "TaskHelper"], swiftSettings: settings),
        .testTarget(name: "RuntimeTests", dependencies: ["Linux", "Runtime"], swiftSettings: settings),
        .testTarget(name: "DebianPackagesTests", dependencies: ["DebianPackages", "Linux", "Runtime"], swiftSettings: settings),
        .testTarget(name: "ManifestTests", dependencies: ["Manifest", "Spec"], swiftSettings: settings),
        .testTarget(
            name: "LayersTests", dependencies: ["Btrfs", "CLinux", "Layers", "Linux", "SendStream", "Spec"],
            swiftSettings: settings),
        .testTarget(name: "OCITests", dependencies: ["CLinux", "Layers", "Linux", "OCI"], swiftSettings: settings),
        .testTarget(
            name: "RegistryTests", dependencies: ["Fixtures", "Layers", "Linux", "OCI", "Registry"], swiftSettings: settings),
        .testTarget(
            name: "BuilderTests",
            dependencies: ["Builder", "CLinux", "DebianPackages", "Fixtures", "Layers", "Linux", "Manifest", "OCI"],
            swiftSettings: settings),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "AgentAPI", "Btrfs", "Fixtures", "Layers", "Linux", "Networks", "Registry", "Runtime", "Spec",
                "TaskHelper",
                .product(name: "Logging", package: "swift-log"), .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], exclude: ["Golden"], swiftSettings: settings),
        .testTarget(
            name: "DishTests",
            dependencies: [
                "Agent", "AgentAPI", "Layers", "Manifest", "Spec", "dish",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: settings),
        // What the privileged tests stand on.
        .target(
            name: "Fixtures", dependencies: ["Btrfs", "CLinux", "Linux", "Spec"], path: "Tests/Fixtures",
            exclude: [
                "bridge_sender.py", "browser.py", "faulty_proxy.py", "image_corpus.py", "independent_trees.py",
                "small_registry.py",
                "small_scheduler.py", "token_server.py",
            ],
            swiftSettings: settings),
        // Pool tests: root, Btrfs on loop files, systemd-nspawn.
        .testTarget(
            name: "PoolTests",
            dependencies: [
                "Agent", "AgentAPI", "Btrfs", "CLinux", "Cgroups", "Fixtures", "Layers", "Linux", "Networks", "OCI", "Registry",
                "Runtime", "SendStream", "Spec", "TaskHelper", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // Attacks from inside tasks and by images, on real tasks.
        .testTarget(
            name: "AttackTests",
            dependencies: ["AgentAPI", "Btrfs", "CLinux", "Fixtures", "Layers", "Linux", "OCI"], exclude: ["program"],
            swiftSettings: settings),
        // Host tests: a Debian with systemd and cgroup v2, booted in user-mode-linux.
        .testTarget(
            name: "HostTests", dependencies: ["AgentAPI", "Fixtures", "Linux", "Spec"], exclude: ["machine"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

import CLibPQ
import Testing

@testable import LibPQ

@Suite("Hosts")
struct HostTests {
    // MARK: Lists

    private static func hosts(_ string: String) -> ConnectionParameters.Hosts? {
        ConnectionParameters(string: string, applicationName: "test").hostList()
    }

    @Test("hosts are read from lists of names, of addresses, or of both, with one port for all or one for each")
    func lists() {
        let both = Self.hosts("host=a,b hostaddr=10.0.0.1, port=1,")
        #expect(both?.entries.map(\.host) == ["a", "b"])
        #expect(both?.entries.map(\.address) == ["10.0.0.1", ""])
        #expect(both?.entries.map(\.port) == ["1", "5432"])
        #expect(both?.entries.map(\.index) == [0, 1])
        #expect(both?.entries.map(\.isName) == [false, true])
        #expect(both?.hasAddresses == true)
        #expect(Self.hosts("host=a,b,c port=7")?.entries.map(\.port) == ["7", "7", "7"])
        #expect(Self.hosts("hostaddr=10.0.0.1,10.0.0.2")?.entries.map(\.name) == ["\"10.0.0.1\", port 5432", "\"10.0.0.2\", port 5432"])
        #expect(Self.hosts("host=/tmp,@tmp,x")?.entries.map(\.isName) == [false, false, true])
    }

    @Test("libpq chooses the host if none is named, and refuses lists of different lengths")
    func leftToLibpq() {
        for string in ["host=a,b hostaddr=10.0.0.1", "host=a hostaddr=10.0.0.1,10.0.0.2", "host=a,b port=1,2,3"] {
            #expect(Self.hosts(string) == nil, "\(string)")
            #expect(!ConnectionParameters(string: string, applicationName: "test").isSeveralHosts)
        }
        #expect(ConnectionParameters(string: "host=a,b", applicationName: "test").isSeveralHosts)
        #expect(!ConnectionParameters(string: "host=a", applicationName: "test").isSeveralHosts)
    }

    @Test(
        "hosts are tried in the order in which they are named, unless load_balance_hosts is random",
        .enabled(if: PQlibVersion() >= 160_000)
    )
    func random() {
        #expect(Self.hosts("host=a,b load_balance_hosts=random")?.isRandom == true)
        #expect(Self.hosts("host=a,b load_balance_hosts=disable")?.isRandom == false)
        #expect(Self.hosts("host=a,b")?.isRandom == false)
    }

    @Test("dropping the first hosts of a list keeps the addresses and ports of the others")
    func dropping() {
        func keywords(_ string: String, _ count: Int) -> [String] {
            ConnectionParameters(string: string, applicationName: "test").keywords(dropping: count).map { "\($0.keyword)=\($0.value)" }
        }
        #expect(keywords("host=a,b,c hostaddr=1,2,3 port=7", 0).isEmpty)
        #expect(keywords("host=a,b,c hostaddr=1,2,3 port=7", 1) == ["host=b,c", "hostaddr=2,3"])
        #expect(keywords("host=a,b,c port=7,8,9", 2) == ["host=c", "port=9"])
    }

    @Test("an address that was looked up keeps its host's name, for certificates and passwords")
    func candidates() {
        let entry = HostEntry(host: "db", address: "", port: "1", index: 0)
        let candidate = entry.candidate(at: "10.0.0.1")
        #expect(candidate.keywords.map { "\($0.keyword)=\($0.value)" } == ["host=db", "hostaddr=10.0.0.1", "port=1"])
        #expect(candidate.name == "\"db\" (10.0.0.1), port 1")
        let address = HostEntry(host: "", address: "10.0.0.1", port: "1", index: 0).candidate(at: "10.0.0.1")
        #expect(address.keywords.map { "\($0.keyword)=\($0.value)" } == ["host=10.0.0.1", "hostaddr=10.0.0.1", "port=1"])
        #expect(address.name == "\"10.0.0.1\", port 1")
    }

    // MARK: Order

    @Test("hosts that have failed come after the others, the latest last, until a connection to them succeeds")
    func order() {
        let memory = HostMemory()
        let hosts = ["a", "b", "c", "d"]
        func order() -> [String] { memory.order(hosts) { $0 } }
        #expect(order() == hosts)
        memory.noteFailure(of: "b")
        memory.noteFailure(of: "a")
        #expect(order() == ["c", "d", "b", "a"])
        memory.noteFailure(of: "b")
        #expect(order() == ["c", "d", "a", "b"])
        memory.noteSuccess(of: "a")
        #expect(order() == ["a", "c", "d", "b"])
        for host in hosts { memory.noteFailure(of: host) }
        #expect(order() == hosts)
    }
}

package kongenv

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/filewatch"
)

// listenersAge is how old what was read may be before the file is read again. Kong
// writes it when it is started or reloaded, and listens a moment later.
const listenersAge = time.Second

// defaultListeners are the ports that Kong listens on by default (kong.conf: proxy_listen, admin_listen, admin_gui_listen,
// cluster_listen, cluster_telemetry_listen, status_listen). stream_listen and
// debug_listen are off then.
var defaultListeners = []uint16{8000, 8443, 8001, 8444, 8002, 8445, 8005, 8006, 8007}

// Listeners are where the Kong of a prefix listens: addresses to which nothing
// that a certificate names may lead, least of all those of the Admin API.
//
// They are those of every setting whose name ends with _listen, whether or not a
// Kong of that role listens there: one address too many costs the OCSP response
// or CRL of a server that chose Kong's port, one too few lets the author of a
// certificate have requests sent to Kong.
//
// Where .kong_env cannot be read, has no admin_listen, or is absent, they are what
// it said when it was last read, or else Kong's default ports at any address.
// When it has just changed, they are those of before as well, until it has been
// unchanged for three seconds.
type Listeners struct {
	current atomic.Pointer[reading]

	mu   sync.Mutex // held by the one who reads, and by Tell
	file *filewatch.File
	told []netip.AddrPort // by Kong itself
}

type reading struct {
	at        time.Time
	addresses []netip.AddrPort
}

// NewListeners reads .kong_env below Kong's prefix.
func NewListeners(prefix string) *Listeners {
	l := &Listeners{file: filewatch.New(Path(prefix), MaxBytes)}
	var addresses []netip.AddrPort
	for _, port := range defaultListeners {
		addresses = appendAnywhere(addresses, port)
	}
	l.current.Store(&reading{addresses: addresses})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read(time.Now())
	return l
}

// AddrPorts returns the addresses, which must not be changed. 0.0.0.0 and :: stand
// for every address of this machine, of their family. The file is read once a
// second at most, if it has changed; one caller waits for that, the others get what
// was known.
func (l *Listeners) AddrPorts() []netip.AddrPort {
	now := time.Now()
	if age := now.Sub(l.current.Load().at); age.Abs() >= listenersAge && l.mu.TryLock() {
		defer l.mu.Unlock()
		l.read(now)
	}
	return l.current.Load().addresses
}

// maxTold bounds the addresses that Kong is believed to listen at.
const maxTold = 1024

// Tell adds where Kong says that it listens, each as the first word of a *_listen
// setting's entry: in Lua mode it can, and .kong_env is often a file that this
// process may not read.
func (l *Listeners) Tell(listen []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told[:len(l.told):len(l.told)]
	for _, address := range listen {
		told = appendListener(told, address)
	}
	told = sortListeners(told)
	if len(told) == len(l.told) || len(told) > maxTold {
		return
	}
	l.told = told
	now := l.current.Load()
	l.current.Store(&reading{at: now.at, addresses: sortListeners(slices.Concat(now.addresses, told))})
}

// read reads the file if it has changed. Listeners.mu is held.
func (l *Listeners) read(now time.Time) {
	next := &reading{at: now, addresses: l.current.Load().addresses}
	if data, changed, err := l.file.Read(false); err == nil && changed {
		if addresses, ok := parseListeners(data); ok {
			if !l.file.Settled() {
				// Kong may not have written all of it, and until those connections
				// are over the one before a reload still listens.
				addresses = sortListeners(append(addresses, next.addresses...))
			}
			next.addresses = sortListeners(append(addresses, l.told...))
		}
	}
	l.current.Store(next)
}

// parseListeners returns the addresses of all listeners in .kong_env, and false
// for a file that Kong is writing at this moment.
func parseListeners(data []byte) ([]netip.AddrPort, bool) {
	values := parse(data, func(key string) bool { return strings.HasSuffix(key, "_listen") })
	if values["admin_listen"] == "" {
		return nil, false
	}
	var out []netip.AddrPort
	for _, value := range values {
		for i, listener := range splitList(value) {
			address := strings.Fields(listener)[0] // flags follow
			if i == 0 && address == "off" {
				break
			}
			out = appendListener(out, address)
		}
	}
	return sortListeners(out), true
}

func sortListeners(addresses []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(addresses, netip.AddrPort.Compare)
	return slices.Compact(addresses)
}

// appendListener adds an address as nginx takes it. A Unix socket is left out; a
// host name may be any address of the machine, since that is what can be
// listened on.
func appendListener(out []netip.AddrPort, listen string) []netip.AddrPort {
	if strings.HasPrefix(listen, "unix:") {
		return out
	}
	if at, err := netip.ParseAddrPort(listen); err == nil {
		return append(out, netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()))
	}
	port, err := strconv.ParseUint(listen[strings.LastIndexByte(listen, ':')+1:], 10, 16)
	if err != nil {
		return out // Kong does not start with it
	}
	return appendAnywhere(out, uint16(port))
}

func appendAnywhere(out []netip.AddrPort, port uint16) []netip.AddrPort {
	return append(out, netip.AddrPortFrom(netip.IPv4Unspecified(), port), netip.AddrPortFrom(netip.IPv6Unspecified(), port))
}

package kongdata

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// listenersAge is how old what was read of .kong_env may be before the file is
// looked at again. Kong writes it when it is started or reloaded, and listens a
// moment later.
const listenersAge = time.Second

// defaultListeners are the ports that Kong listens on where nobody says
// otherwise (kong.conf: proxy_listen, admin_listen, admin_gui_listen,
// cluster_listen, cluster_telemetry_listen, status_listen). stream_listen and
// debug_listen are off then.
var defaultListeners = []uint16{8000, 8443, 8001, 8444, 8002, 8445, 8005, 8006, 8007}

// KongListeners is where the Kong of a prefix listens: addresses that nothing
// which a certificate names may lead to, least of all those of the Admin API.
//
// They are those of every setting of .kong_env whose name ends with _listen,
// whether or not a Kong of that role listens there: one address too many costs
// an answer of somebody who chose Kong's port, one too few lets whoever is
// named in a certificate have requests sent to Kong.
//
// Where .kong_env cannot be read, has no admin_listen, or is absent, they are what
// it said when it was last read, or else Kong's default ports at any address.
// When it has just changed, they are those of before as well, for three seconds.
type KongListeners struct {
	current atomic.Pointer[listenersRead]

	mu   sync.Mutex // held by the one who looks, and by Tell
	file watchedFile
	told []netip.AddrPort // by Kong itself
}

type listenersRead struct {
	at        time.Time
	addresses []netip.AddrPort
}

// NewListeners reads .kong_env below Kong's prefix.
func NewListeners(prefix string) *KongListeners {
	k := &KongListeners{file: watchedFile{path: filepath.Join(prefix, ".kong_env"), limit: maxKongEnv}}
	var addresses []netip.AddrPort
	for _, port := range defaultListeners {
		addresses = appendAnywhere(addresses, port)
	}
	k.current.Store(&listenersRead{addresses: addresses})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look(time.Now())
	return k
}

// AddrPorts returns the addresses, which are not to be changed. 0.0.0.0 and ::
// stand for every address of this machine, of their family. It looks at the file
// once in a second at most, and then one caller waits for that; the others get
// what was known.
func (k *KongListeners) AddrPorts() []netip.AddrPort {
	now := time.Now()
	if age := now.Sub(k.current.Load().at); age.Abs() >= listenersAge && k.mu.TryLock() {
		defer k.mu.Unlock()
		k.look(now)
	}
	return k.current.Load().addresses
}

// maxTold bounds the addresses that Kong is believed to listen at.
const maxTold = 1024

// Tell adds where Kong says that it listens, each as the first word of a *_listen
// setting's entry: for a door through which it can, since .kong_env is often nothing
// that this process may read.
func (k *KongListeners) Tell(listen []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	told := k.told[:len(k.told):len(k.told)]
	for _, address := range listen {
		told = appendListener(told, address)
	}
	told = sortListeners(told)
	if len(told) == len(k.told) || len(told) > maxTold {
		return
	}
	k.told = told
	now := k.current.Load()
	k.current.Store(&listenersRead{at: now.at, addresses: sortListeners(slices.Concat(now.addresses, told))})
}

// look reads the file if it has changed. KongListeners.mu is held.
func (k *KongListeners) look(now time.Time) {
	next := &listenersRead{at: now, addresses: k.current.Load().addresses}
	if data, changed, err := k.file.read(false); err == nil && changed {
		if addresses, ok := parseListeners(data); ok {
			if !k.file.settled {
				// Kong may not have written all of it, and until those connections
				// are over the one before a reload still listens.
				addresses = sortListeners(append(addresses, next.addresses...))
			}
			next.addresses = sortListeners(append(addresses, k.told...))
		}
	}
	k.current.Store(next)
}

// parseListeners returns the addresses of all listeners in .kong_env, and false
// for a file that Kong is writing at this moment.
func parseListeners(data []byte) ([]netip.AddrPort, bool) {
	values := kongEnvValues(data, func(key string) bool { return strings.HasSuffix(key, "_listen") })
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

// appendListener adds an address as nginx takes it. A Unix socket is none; a
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

// Package kongenv reads .kong_env, the file below Kong's prefix into which Kong
// writes the settings that it was started with: where its Admin API and its other
// listeners are, and which declarative configuration it holds. The file also holds
// passwords: of its other settings nothing is kept.
package kongenv

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// MaxBytes bounds the file, which may hold a whole declarative configuration.
const MaxBytes = 64 << 20

// Path returns where a Kong of this prefix writes the file.
func Path(prefix string) string { return filepath.Join(prefix, ".kong_env") }

// Settings are those that lead to Kong's entities. Paths are as written, and
// relative ones are below the prefix.
type Settings struct {
	adminListen []string // not empty

	AdminSSLCert      []string
	DeclarativeConfig string
	DeclarativeString string

	// DataPlane is a Kong of that role. It listens for no Admin API, whatever
	// admin_listen says.
	DataPlane bool
}

// Parse reads the file. One without admin_listen is being written by Kong at this
// moment, and an error.
func Parse(data []byte) (*Settings, error) {
	wanted := []string{"admin_listen", "admin_ssl_cert", "declarative_config", "declarative_config_string", "role"}
	values := parse(data, func(key string) bool { return slices.Contains(wanted, key) })
	s := &Settings{
		adminListen:       splitList(values["admin_listen"]),
		AdminSSLCert:      splitList(values["admin_ssl_cert"]),
		DeclarativeConfig: values["declarative_config"],
		DeclarativeString: values["declarative_config_string"],
		DataPlane:         values["role"] == "data_plane",
	}
	if len(s.adminListen) == 0 {
		return nil, errors.New("it has no admin_listen")
	}
	return s, nil
}

// HasAdminAPI tells whether Kong listens for its Admin API at all.
func (s *Settings) HasAdminAPI() bool { return s.adminListen[0] != "off" && !s.DataPlane }

// AdminURLs returns the addresses of the Admin API in their order: http://,
// https:// or unix:PATH. One that stands for all of the machine's addresses is
// given as loopback. Listeners that want a PROXY header are left out, and so are
// Unix sockets with TLS.
func (s *Settings) AdminURLs() []string {
	if !s.HasAdminAPI() {
		return nil
	}
	var urls []string
	for _, listener := range s.adminListen {
		fields := strings.Fields(listener)
		address, flags := fields[0], fields[1:]
		overTLS := slices.Contains(flags, "ssl")
		_, port, err := net.SplitHostPort(address)
		switch {
		case slices.Contains(flags, "proxy_protocol"):
		case strings.HasPrefix(address, "unix:"):
			if !overTLS {
				urls = append(urls, address)
			}
		case err != nil || port == "":
		case overTLS:
			urls = append(urls, "https://"+reachable(address))
		default:
			urls = append(urls, "http://"+reachable(address))
		}
	}
	return urls
}

// reachable replaces the address that stands for all addresses by loopback.
func reachable(listen string) string {
	if port, ok := strings.CutPrefix(listen, "*:"); ok {
		return "127.0.0.1:" + port
	}
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().IsUnspecified() {
		return listen
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if at.Addr().Is6() {
		loopback = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(loopback, at.Port()).String()
}

// AdminCertificates returns the files whose certificates the Admin API of this
// Kong shows: those of admin_ssl_cert, or the ones that Kong makes itself.
func (s *Settings) AdminCertificates(prefix string) []string {
	files := s.AdminSSLCert
	if len(files) == 0 {
		files = []string{"ssl/admin-kong-default.crt", "ssl/admin-kong-default-ecdsa.crt"}
	}
	out := make([]string, len(files))
	for i, file := range files {
		out[i] = Below(prefix, file)
	}
	return out
}

// Below returns a path of the settings, which is below the prefix if it is
// relative.
func Below(prefix, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(prefix, path)
}

// settingLine is the beginning of a setting. Kong writes a value with line breaks
// as it is, so other lines continue the setting above them.
var settingLine = regexp.MustCompile(`^([A-Za-z_$][A-Za-z0-9_$]*) = `)

// parse reads `key = value` lines as Kong writes them, of the keys that are
// wanted: `#` in a value as `\#`, empty values left out, the last of two.
func parse(data []byte, wanted func(key string) bool) map[string]string {
	out := make(map[string]string)
	key := "" // empty: a setting that is not wanted
	var value strings.Builder
	end := func() {
		if key != "" {
			out[key] = strings.TrimSpace(value.String())
		}
		value.Reset()
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if match := settingLine.FindStringSubmatch(line); match != nil {
			end()
			key, line = match[1], line[len(match[0]):]
			if !wanted(key) {
				key = ""
			}
		} else {
			value.WriteByte('\n')
		}
		if key != "" {
			value.WriteString(unescapeHash(line))
		}
	}
	end()
	return out
}

// unescapeHash undoes Kong's quoting of `#` and drops a comment.
func unescapeHash(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '#' {
			break
		}
		if s[i] == '\\' && i+1 < len(s) && s[i+1] == '#' {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func splitList(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// Values returns the values of some settings. It is for those that hold no secret.
func Values(data []byte, keys ...string) map[string]string {
	return parse(data, func(key string) bool { return slices.Contains(keys, key) })
}

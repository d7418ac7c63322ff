package kongdata

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// kongEnvFile is what this package uses of Kong's .kong_env. Nothing else of it
// is kept: it holds passwords.
type kongEnvFile struct {
	adminListen       []string
	adminSSLCert      []string
	declarativeConfig string
	declarativeString string

	// dataPlane is a Kong of that role. It listens for no Admin API, whatever
	// admin_listen says.
	dataPlane bool
}

// kongEnvLine is the beginning of a setting. Kong writes a value with line
// breaks as it is, so other lines continue the setting above them.
var kongEnvLine = regexp.MustCompile(`^([A-Za-z_$][A-Za-z0-9_$]*) = `)

// parseKongEnv reads `.kong_env`. A file without admin_listen is one that Kong is
// writing at this moment, and an error.
func parseKongEnv(data []byte) (*kongEnvFile, error) {
	wanted := []string{"admin_listen", "admin_ssl_cert", "declarative_config", "declarative_config_string", "role"}
	values := kongEnvValues(data, func(key string) bool { return slices.Contains(wanted, key) })
	env := &kongEnvFile{
		adminListen:       splitList(values["admin_listen"]),
		adminSSLCert:      splitList(values["admin_ssl_cert"]),
		declarativeConfig: values["declarative_config"],
		declarativeString: values["declarative_config_string"],
		dataPlane:         values["role"] == "data_plane",
	}
	if len(env.adminListen) == 0 {
		return nil, errors.New("it has no admin_listen")
	}
	return env, nil
}

// kongEnvValues reads `key = value` lines as Kong writes them, of those that
// are wanted: `#` in a value as `\#`, empty values left out, the last of two.
func kongEnvValues(data []byte, wanted func(key string) bool) map[string]string {
	out := make(map[string]string)
	var key string // empty: a setting that nobody wants
	var value strings.Builder
	end := func() {
		if key != "" {
			out[key] = strings.TrimSpace(value.String())
		}
		value.Reset()
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if match := kongEnvLine.FindStringSubmatch(line); match != nil {
			end()
			key, line = "", line[len(match[0]):]
			if wanted(match[1]) {
				key = match[1]
			}
		} else if key != "" {
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

// hasAdminAPI says whether Kong listens for its Admin API at all.
func (env *kongEnvFile) hasAdminAPI() bool {
	return env.adminListen[0] != "off" && !env.dataPlane
}

// adminAddress returns the first address of admin_listen that may be asked:
// https, a Unix socket, and plain http at loopback, elsewhere only with
// allowHTTP. An address that stands for all of the machine's is asked at
// loopback.
func (env *kongEnvFile) adminAddress(allowHTTP bool) (adminAddress, bool) {
	if !env.hasAdminAPI() {
		return adminAddress{}, false
	}
	for _, listener := range env.adminListen {
		fields := strings.Fields(listener)
		flags := fields[1:]
		// Such a listener wants a header before HTTP that nobody here sends.
		if slices.Contains(flags, "proxy_protocol") {
			continue
		}
		overTLS := slices.Contains(flags, "ssl")
		url := "http://" + reachable(fields[0])
		_, port, err := net.SplitHostPort(fields[0])
		switch {
		case strings.HasPrefix(fields[0], "unix:") && !overTLS:
			url = fields[0]
		case err != nil || port == "":
			continue
		case overTLS:
			url = "https://" + reachable(fields[0])
		}
		address, err := parseAdminURL(url, allowHTTP)
		if err == nil {
			return address, true
		}
	}
	return adminAddress{}, false
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

// pins are the files whose certificates a listener of this Kong shows: those of
// admin_ssl_cert, or the ones that Kong makes itself.
func (env *kongEnvFile) pins(prefix string) []string {
	if len(env.adminSSLCert) == 0 {
		return []string{
			filepath.Join(prefix, "ssl", "admin-kong-default.crt"),
			filepath.Join(prefix, "ssl", "admin-kong-default-ecdsa.crt"),
		}
	}
	out := make([]string, len(env.adminSSLCert))
	for i, path := range env.adminSSLCert {
		out[i] = under(prefix, path)
	}
	return out
}

func under(prefix, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(prefix, path)
}

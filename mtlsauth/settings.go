package mtlsauth

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// settings are those of Kong's that the plugin protocol does not tell, and header-cert-auth
// depends on. They are read from .kong_env; where that cannot be read nothing is known.
type settings struct {
	prefix string
	log    *slog.Logger

	noPeer, smallBuffers sync.Once
}

func (s *settings) read() map[string]string {
	data, _, err := filewatch.ReadFile(kongenv.Path(s.prefix), kongenv.MaxBytes)
	if err != nil {
		return nil
	}
	return kongenv.Values(data, "prefix", "trusted_ips", "nginx_http_large_client_header_buffers", "nginx_proxy_large_client_header_buffers")
}

// warn logs, once each, what keeps certificates in headers from being read, as the Lua
// plugin does.
func (s *settings) warn(header *certheader.Settings) {
	values := s.read()
	if values["prefix"] == "" { // it is not Kong's file, or not yet
		return
	}
	if header.SecureSource && values["trusted_ips"] == "" {
		s.noPeer.Do(func() {
			s.log.Warn("it is empty, so that with config.secure_source no certificate in a header is believed", "setting", "trusted_ips")
		})
	}
	if values["nginx_http_large_client_header_buffers"]+values["nginx_proxy_large_client_header_buffers"] == "" {
		s.smallBuffers.Do(func() {
			s.log.Warn("it is not set, so that nginx answers 400 to a header over 8 KiB, as a certificate with its chain may be: "+
				"8 24k, say, is enough", "setting", "nginx_proxy_large_client_header_buffers")
		})
	}
}

// unixPeer is what nginx has for the address of a peer on a Unix socket.
const unixPeer = "unix:"

// trustsUnix tells whether trusted_ips has Unix sockets, which kong.ip.is_trusted leaves out.
func (s *settings) trustsUnix() bool {
	return slices.ContainsFunc(strings.Split(s.read()["trusted_ips"], ","), func(item string) bool {
		return strings.TrimSpace(item) == unixPeer
	})
}

package doctor

import (
	"net/netip"
	"slices"

	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// checkSource checks who can send the header in which a configuration of header-cert-auth
// expects the certificate.
func (n *node) checkSource(p kongdata.Plugin, header *certheader.Settings) {
	if n.settings["role"] == "control_plane" {
		n.warn("configuration", "run doctor on a data plane with -admin-url", "%s: who can send %s is for the data planes' trusted_ips to say", n.where(p), header.Name)
		return
	}
	const name = "trusted_ips"
	where := n.where(p)
	trusted, known := n.settings[name], n.settings["prefix"] != ""
	switch {
	case !header.SecureSource:
		n.warn("configuration", "set secure_source, and trusted_ips in kong.conf to the proxy's addresses", "%s: secure_source is off: every client that reaches Kong can send another's certificate in %s", where, header.Name)
	case known && trusted == "":
		n.fail(name, "trusted_ips = the proxy's addresses in kong.conf, then restart Kong", "%s: secure_source is set and trusted_ips is empty: no certificate in %s is believed, and every request gets 401", where, header.Name)
	case trustsAll(trusted):
		n.warn(name, "name the proxy's addresses alone", "%s: trusted_ips = %s: every client that reaches Kong can send another's certificate in %s", where, trusted, header.Name)
	case known:
		n.ok(name, "%s: %s is believed from %s", where, header.Name, trusted)
	}
	if n.env != nil && n.settings["nginx_proxy_large_client_header_buffers"]+n.settings["nginx_http_large_client_header_buffers"] == "" {
		n.warn("header buffers", "nginx_proxy_large_client_header_buffers = 8 24k in kong.conf, then restart Kong", "%s: nginx answers 400 to a header over 8 KiB, as a certificate with its chain may be", where)
	}
}

// trustsAll reports whether trusted_ips has half of all addresses of IPv4 or IPv6, or more:
// such networks name no proxy.
func trustsAll(trusted string) bool {
	mapped := netip.MustParseAddr("::ffff:0:0")
	return slices.ContainsFunc(list(trusted), func(item string) bool {
		network, err := netip.ParsePrefix(item)
		return err == nil && (network.Bits() <= 1 || network.Addr().Is6() && network.Bits() <= 97 && network.Contains(mapped))
	})
}

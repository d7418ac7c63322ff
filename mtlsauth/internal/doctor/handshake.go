package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// handshakeTime is how long a TLS handshake may take.
const handshakeTime = 10 * time.Second

// asked is what a server asked of a client in a handshake.
type asked struct {
	certificate bool
	names       []string // of CAs
}

// checkHandshake connects as a client would, and sees whether it is asked for a
// certificate, and whose CAs are named.
func (n *node) checkHandshake(ctx context.Context) {
	const name = "handshake"
	if n.stopped && n.Connect == "" {
		return // said before
	}
	if n.settings["role"] == "control_plane" && n.Connect == "" {
		n.ok(name, "a control plane takes no requests")
		return
	}
	address, err := n.listener()
	if err != nil && n.setup != nil && len(n.asking()) == 0 {
		n.ok(name, "%v; no plugin needs one", err)
		return
	}
	if err != nil {
		n.fail(name, "proxy_listen needs an address with ssl, such as 0.0.0.0:8443 http2 ssl; or give -connect HOST:PORT", "%v", err)
		return
	}
	if address == "" {
		n.warn(name, "give -connect HOST:PORT", "not tried: proxy_listen is unknown")
		return
	}
	server := n.serverName()
	shown := address
	if server != "" {
		shown += " as " + server
	}
	got, err := connect(ctx, address, server, n.clientPair())
	switch {
	case err != nil && !got.certificate:
		n.fail(name, "start Kong, or correct -connect; behind a load balancer give Kong's own address", "%s: %v", shown, err)
		return
	case !got.certificate && n.setup != nil && len(n.asking()) == 0:
		n.ok(name, "%s: no certificate is asked for, and no plugin needs one", shown)
		return
	case !got.certificate && server == "" && n.setup == nil:
		n.warn(name, "give -sni NAME, a host of a route with the plugin", "%s: Kong asks for no certificate without a server name; which names need one is unknown", shown)
		return
	case !got.certificate:
		n.fail(name, n.notAsked(server), "%s: Kong asks for no certificate", shown)
		return
	}
	n.checkNames(shown, got)
	if err != nil {
		n.fail(name, "use a certificate and a key that TLS takes", "%s: with the client's certificate: %v", shown, err)
	}
}

// notAsked says what keeps Kong from asking.
func (n *node) notAsked(server string) string {
	if !n.lua {
		return "use Lua mode, or add deploy/pre-function.yaml (docs/plugin-server.md)"
	}
	names := n.serverNames()
	switch {
	case len(names) > 0 && !slices.Contains(names, server):
		return "connect with a server name of a route that has the plugin (-sni NAME): " + strings.Join(names, ", ")
	case n.Connect != "":
		return "connect to Kong itself: what is at -connect may end TLS before Kong; or give -sni NAME, a host of a route with the plugin"
	}
	return "add the plugin to a route with this host, and read the [" + n.Name + "] handshake lines in Kong's error log"
}

// checkNames compares the CAs that are named with what configurations want.
func (n *node) checkNames(shown string, got asked) {
	const name = "handshake"
	asking := n.asking()
	wants, all := false, len(asking) > 0
	for _, p := range asking {
		var fields struct {
			SendCADN bool `json:"send_ca_dn"`
		}
		json.Unmarshal(p.Config, &fields)
		wants, all = wants || fields.SendCADN, all && fields.SendCADN
	}
	switch {
	case len(got.names) > 0:
		n.ok(name, "%s: a certificate is asked for, of %s", shown, strings.Join(got.names, "; "))
	case all:
		n.fail(name, "restart Kong, and read the [mtls-auth] handshake lines in its error log; in plugin-server mode nginx's ssl_client_certificate names them", "%s: send_ca_dn is set, and no CA is named", shown)
	case wants:
		n.warn(name, "set send_ca_dn for every configuration that this name leads to", "%s: a certificate is asked for, and no CA is named, since some configurations have no send_ca_dn", shown)
	default:
		n.ok(name, "%s: a certificate is asked for, of any CA", shown)
	}
}

// listener is the address of Kong's TLS listener, "" where it is unknown.
func (n *node) listener() (string, error) {
	if n.Connect != "" {
		return n.Connect, nil
	}
	setting := n.settings["proxy_listen"]
	if setting == "" {
		return "", nil
	}
	for _, entry := range list(setting) {
		fields := strings.Fields(entry)
		if !slices.Contains(fields[1:], "ssl") || slices.Contains(fields[1:], "proxy_protocol") {
			continue
		}
		at, err := netip.ParseAddrPort(fields[0])
		if err == nil && at.Addr().IsUnspecified() {
			loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
			if at.Addr().Is6() {
				loopback = netip.IPv6Loopback()
			}
			return netip.AddrPortFrom(loopback, at.Port()).String(), nil
		}
		return fields[0], nil
	}
	return "", fmt.Errorf("proxy_listen = %s has no listener with ssl that a client can use: certificates come over TLS alone", setting)
}

// serverName is the one to connect with: -sni, else that of a route with the plugin, "" for
// none.
func (n *node) serverName() string {
	if n.SNI != "" {
		return n.SNI
	}
	if names := n.serverNames(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// serverNames are the server names at which Kong asks, without wildcards; none where it
// asks at any, or they are not known.
func (n *node) serverNames() (names []string) {
	for _, p := range n.asking() {
		for _, r := range n.setup.routes {
			ofRoute := r.Is(p.Route)
			ofService := p.Route == "" && p.Service != "" && r.Service == p.Service
			if !ofRoute && !ofService {
				continue
			}
			of := r.SNIs
			if len(of) == 0 {
				of = r.Hosts
			}
			if len(of) == 0 {
				return nil
			}
			for _, name := range of {
				if !strings.Contains(name, "*") && net.ParseIP(name) == nil {
					host, _, found := strings.Cut(name, ":")
					if !found {
						host = name
					}
					names = append(names, host)
				}
			}
		}
		if p.Route == "" && p.Service == "" {
			return nil
		}
	}
	return names
}

// clientPair is the client's certificate with its key, nil without one.
func (n *node) clientPair() *tls.Certificate {
	if len(n.Key) == 0 {
		return nil
	}
	pair, err := tls.X509KeyPair(append(slices.Clone(n.Leaf), n.Chain...), n.Key)
	if err != nil {
		return nil // checkClient says so
	}
	return &pair
}

// connect makes a TLS handshake. The server's certificate is not judged: this is about
// what it asks.
func connect(ctx context.Context, address, server string, pair *tls.Certificate) (got asked, err error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return got, err
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{
		ServerName: server, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"},
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			got.certificate = true
			for _, name := range request.AcceptableCAs {
				got.names = append(got.names, certificate.DistinguishedName(name))
			}
			if pair != nil {
				return pair, nil
			}
			return new(tls.Certificate), nil
		},
	})
	if err := client.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			return got, errors.New("what is there does not speak TLS")
		}
		return got, err
	}
	return got, nil
}

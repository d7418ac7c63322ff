package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/signature"
	"mtls-auth/mtlsauth/internal/verify"
)

// isAnchor reports whether a path may end at a CA certificate, and why its key is not
// accepted.
func isAnchor(cert *certificate.Certificate, partial bool, minRSABits int) (anchor bool, reason string) {
	if err := signature.CheckIssuerKey(cert.PublicKey, minRSABits); err != nil {
		return false, err.Error()
	}
	trust := certpath.NewTrust([]*certificate.Certificate{cert}, certpath.TrustOptions{AllowPartialChain: partial, MinRSABits: minRSABits})
	return trust.IsAnchor(cert), ""
}

// checkClient tells what would be answered to a client's certificate, and checks the URLs
// in it.
func (n *node) checkClient(ctx context.Context) {
	if len(n.Leaf) == 0 {
		return
	}
	if len(n.Key) > 0 {
		if _, err := tls.X509KeyPair(n.Leaf, n.Key); err != nil {
			n.fail("client's key", "give the key that belongs to the certificate", "%v", err)
		}
	}
	n.checkURLs(ctx)
	if n.setup == nil {
		n.warn("answer", "give -admin-url URL; or mtls-auth verify tells by a declarative file", "unknown: the configuration cannot be asked for")
		return
	}
	for _, p := range n.plugins(n.Names...) {
		n.checkAnswer(ctx, p)
	}
}

// checkAnswer has the certificate judged by a configuration, as the server would.
func (n *node) checkAnswer(ctx context.Context, p kongdata.Plugin) {
	parsed, err := config.Parse(config.PluginOf(p.Name), p.Config)
	if err != nil {
		return // said before
	}
	o := verify.Options{
		Name: n.Name, Plugin: p.Name, Prefix: n.Admin.Prefix, Leaf: n.Leaf, Chain: n.Chain, Directory: n.setup.directory(p.Name), CRLDir: n.CRLDir, Network: true, At: n.Now,
		MinRSABits: n.Limits.MinRSABits, MaxCRLSize: n.Limits.MaxCRLSize, DenyPrivate: n.Limits.DenyPrivate,
		Configuration: verify.Configuration{From: n.setup.from, Config: p.Config},
	}
	for _, id := range parsed.CACertificates() {
		if entity, err := n.setup.ca(ctx, id); err == nil {
			o.CACertificates = append(o.CACertificates, kongdata.Entity{ID: id, Cert: entity.Cert})
		}
	}
	name := "answer"
	r, err := verify.Run(ctx, o)
	where := n.where(p)
	switch {
	case err != nil:
		n.warn(name, "", "%s: %v", where, err)
	case r.Verdict == "pass":
		who := "by the certificate alone"
		if r.Consumer != nil {
			who = "as the consumer " + r.Consumer.Username + " (" + r.Consumer.Rule + ")"
		}
		if config.PluginOf(p.Name) == config.HeaderCertAuth {
			who += ", in a header that is believed"
		}
		n.ok(name, "%s: passes, %s", where, who)
	case r.Verdict == "anonymous":
		n.warn(name, r.Advice, "%s: goes on as the anonymous consumer, since %s: %s", where, r.Reason, r.Detail)
	default:
		n.fail(name, r.Advice, "%s: %d %s, since %s: %s", where, r.Answer.Status, r.Answer.Message, r.Reason, r.Detail)
	}
}

const (
	// urlTime is how long a URL may take.
	urlTime = 5 * time.Second
	// maxSkew is how far a clock may be off: OCSP responses are made to the minute.
	maxSkew = 2 * time.Minute
)

// checkURLs asks the OCSP and CRL URLs of the client's certificates, and compares clocks.
// Any answer counts: what it says is judged with the certificate.
func (n *node) checkURLs(ctx context.Context) {
	client := &http.Client{Timeout: urlTime, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	var asked []string
	for rest := slices.Concat(n.Leaf, n.Chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		for _, url := range slices.Concat(cert.OCSPServer, cert.CRLDistributionPoints) {
			if slices.Contains(asked, url) {
				continue
			}
			asked = append(asked, url)
			n.checkURL(ctx, client, url)
		}
	}
}

func (n *node) checkURL(ctx context.Context, client *http.Client, url string) {
	const name = "revocation URL"
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		n.warn(name, "", "%s: %v", url, err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		n.fail(name, "let Kong's node reach it (firewall, DNS, NetworkPolicy), set http_proxy_host, or give CRLs by -crl-dir", "%s: %v", url, err)
		return
	}
	response.Body.Close()
	date, err := http.ParseTime(response.Header.Get("Date"))
	if skew := time.Since(date).Round(time.Second); err == nil && skew.Abs() > maxSkew {
		n.fail("clock", "set this node's clock (NTP): responses and certificates are judged by it", "it differs by %v from that of %s", skew, url)
		return
	}
	n.ok(name, "%s answers", url)
}

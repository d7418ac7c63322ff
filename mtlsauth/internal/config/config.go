// Package config is the configuration of the plugins mtls-auth and header-cert-auth. One
// table of fields says what Kong's schema has (for the query command and for the Lua
// plugin), what [Parse] accepts, what it fills in, and what the documentation tells: see
// fields.
package config

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/spiffe"
)

// Plugin is one of the plugins that this program can be.
type Plugin string

// The plugins, by the names that Kong Enterprise's have.
const (
	MTLSAuth       Plugin = "mtls-auth"
	HeaderCertAuth Plugin = "header-cert-auth"
)

// PluginOf returns the plugin that is installed under a name: mtls-auth under any name
// that does not begin with header-cert-auth. (Beside Kong Enterprise's plugin of that name
// it is header-cert-auth-go, say.)
func PluginOf(name string) Plugin {
	if strings.HasPrefix(name, string(HeaderCertAuth)) {
		return HeaderCertAuth
	}
	return MTLSAuth
}

// Config is a configuration that the schema allows. Only [Parse] makes one; the zero
// Config trusts no certificate.
type Config struct {
	caCertificates []string
	sendCADN       bool
	header         *certheader.Settings
	settings       authn.Settings
	content        [sha256.Size]byte
}

// CACertificates returns the ids of the Kong CA Certificates that are trusted, in lower
// case, at least one. The caller must not change the slice.
func (c Config) CACertificates() []string { return c.caCertificates }

// SendCADN reports whether clients are to be sent the names of these CAs.
func (c Config) SendCADN() bool { return c.sendCADN }

// Header says which header has the certificate; nil where it comes from the TLS handshake.
// The caller must not change it.
func (c Config) Header() *certheader.Settings { return c.header }

// Settings returns what requests are decided by.
func (c Config) Settings() authn.Settings { return c.settings }

// Content is a digest of what the fields say: configurations of one content are equal.
func (c Config) Content() [sha256.Size]byte { return c.content }

// draft is a configuration while its fields are read.
type draft struct {
	Config
	header      certheader.Settings
	skipLookup  bool
	consumers   authn.Consumers
	credentials []consumer.Credential
	// trustDomains are the records of spiffe_trust_domains.
	trustDomains []map[string]value
	skipStatus   bool
	status       revocation.Settings
	http, https  proxy
}

type proxy struct {
	host string
	port int
}

// address is the proxy as host:port, "" for none.
func (p proxy) address() string {
	if p.host == "" {
		return ""
	}
	return net.JoinHostPort(strings.Trim(p.host, "[]"), strconv.Itoa(p.port))
}

// Parse reads a plugin's configuration as Kong sends it: what is null may be left out, and every
// default is filled in where Kong has the schema. It refuses what the schema would have
// refused, in Kong's own words; the error joins one for each mistake. Fields that it does
// not know are of later versions or Kong's own, and are ignored.
func Parse(plugin Plugin, text []byte) (Config, error) {
	r := reader{raw: map[string]json.RawMessage{}}
	fields := fieldsOf(plugin)
	if err := json.Unmarshal(text, &r.raw); err != nil {
		return Config{}, fmt.Errorf("config: reading the JSON object that Kong sends: %w", err)
	}
	var d draft
	for _, f := range fields {
		if v, ok := r.read(f); ok {
			f.set(&d, v)
		}
	}
	for _, names := range together {
		if given := slices.DeleteFunc(slices.Clone(names), r.absent); len(given) != 0 && len(given) != len(names) {
			r.refuse(names[0], "all or none of these fields must be set: 'config.%s'", strings.Join(names, "', 'config."))
		}
	}
	if len(r.wrong) > 0 {
		return Config{}, errors.Join(r.wrong...)
	}
	return d.finish(plugin, r.content(plugin))
}

// finish makes the configuration of what its fields say together.
func (d *draft) finish(plugin Plugin, content [sha256.Size]byte) (Config, error) {
	if plugin == HeaderCertAuth {
		if err := d.header.Check(); err != nil {
			return Config{}, fmt.Errorf("config.%w", err)
		}
		d.Config.header = &d.header
	}
	credentials, err := consumer.NewCredentials(d.credentials)
	if err != nil {
		return Config{}, fmt.Errorf("config.%w", err)
	}
	if d.settings.TrustDomains, err = trustDomains(d.trustDomains, d.caCertificates); err != nil {
		return Config{}, err
	}
	d.content = content
	if !d.skipLookup {
		d.consumers.Credentials = credentials
		d.settings.Consumers = &d.consumers
	}
	if !d.skipStatus {
		d.status.How.HTTPProxy, d.status.How.HTTPSProxy = d.http.address(), d.https.address()
		d.settings.Status = &d.status
	}
	return d.Config, nil
}

// trustDomains reads spiffe_trust_domains. Nothing is trusted but ca_certificates, so each
// CA Certificate of a trust domain must be there too.
func trustDomains(records []map[string]value, trusted []string) (map[spiffe.TrustDomain][]string, error) {
	if len(records) == 0 {
		return nil, nil
	}
	domains := make(map[spiffe.TrustDomain][]string, len(records))
	var wrong []error
	for i, record := range records {
		domain, err := spiffe.ParseTrustDomain(record["trust_domain"].text)
		if err == nil && domains[domain] != nil {
			err = fmt.Errorf("trust domain %q is there twice, must be in one entry with all its ca_certificates", domain)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("config.spiffe_trust_domains: entry %d: trust_domain: %w", i+1, err))
			continue
		}
		domains[domain] = record["ca_certificates"].list
		for _, id := range domains[domain] {
			if !slices.Contains(trusted, id) {
				wrong = append(wrong, fmt.Errorf("config.spiffe_trust_domains: entry %d: ca_certificates: %q must also be in config.ca_certificates", i+1, id))
			}
		}
	}
	return domains, errors.Join(wrong...)
}

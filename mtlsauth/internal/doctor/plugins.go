package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// soon is when the end of a CA certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// plugins returns the enabled plugins of these names.
func (n *node) plugins(names ...string) []kongdata.Plugin {
	if n.setup == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.setup.plugins), func(p kongdata.Plugin) bool {
		return !p.Enabled || !slices.Contains(names, p.Name)
	})
}

// asking are the plugins that need a certificate from the TLS handshake.
func (n *node) asking() []kongdata.Plugin {
	return slices.DeleteFunc(n.plugins(n.Names...), func(p kongdata.Plugin) bool {
		return config.PluginOf(p.Name) == config.HeaderCertAuth
	})
}

// where says in words which configuration it is: what it is set up for, and which plugin's
// it is where that is not the first.
func (n *node) where(p kongdata.Plugin) string {
	if p.Name == n.Name {
		return p.Where()
	}
	return p.Name + ", " + p.Where()
}

// checkPlugins checks each configuration of the plugins, and what it names.
func (n *node) checkPlugins(ctx context.Context) {
	const name = "configurations"
	if n.setupErr != nil {
		n.warn(name, "", "they cannot be read: %v", n.setupErr)
		return
	}
	if n.setup == nil {
		return
	}
	used := n.plugins(n.Names...)
	disabled := 0
	for _, p := range n.setup.plugins {
		if slices.Contains(n.Names, p.Name) && !p.Enabled {
			disabled++
		}
	}
	switch {
	case len(used) > 0:
		n.ok(name, "%d in use", len(used))
	case disabled > 0:
		n.warn(name, "enable one: PATCH /plugins/{id} enabled=true", "all %d are disabled: no request needs a certificate", disabled)
	default:
		n.warn(name, "add the plugin to a route, a service, or all requests", "no route, service or gateway has the plugin: no request needs a certificate")
	}
	checked := map[string]bool{}
	for _, p := range used {
		n.checkConfig(ctx, p, checked)
	}
}

// checkConfig checks one configuration. CA certificates that were checked for another are
// not again.
func (n *node) checkConfig(ctx context.Context, p kongdata.Plugin, checked map[string]bool) {
	const one = "configuration"
	where := n.where(p)
	parsed, err := config.Parse(config.PluginOf(p.Name), p.Config)
	if err != nil {
		n.fail(one, "correct the field", "%s: refused, and its requests get 500: %v", where, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	if header := parsed.Header(); header != nil {
		n.checkSource(p, header)
	}
	var fields struct {
		Anonymous       string `json:"anonymous"`
		DefaultConsumer string `json:"default_consumer"`
		Partial         bool   `json:"allow_partial_chain"`
	}
	if err := json.Unmarshal(p.Config, &fields); err != nil {
		n.fail(one, "", "%s: %v", where, err)
		return
	}
	anchors, before := 0, n.failed
	for _, id := range parsed.CACertificates() {
		anchor := n.checkCA(ctx, where, id, fields.Partial, checked[id])
		checked[id] = true
		if anchor {
			anchors++
		}
	}
	if anchors == 0 && n.failed == before { // else what was said of its CA certificates is the cause
		n.fail(one, "add the root CA certificate to Kong and to ca_certificates, or set allow_partial_chain", "%s: none of its CA certificates is a trust anchor that is valid now: every certificate is refused", where)
	}
	for field, name := range map[string]string{"anonymous": fields.Anonymous, "default_consumer": fields.DefaultConsumer} {
		if name == "" {
			continue
		}
		if n.setup.lacks(ctx, p.Name, name) {
			n.fail(one, "create the consumer, or correct "+field, "%s: %s names the consumer %q, which does not exist: its requests get 500", where, field, name)
		}
	}
}

// checkCA checks a CA certificate that a configuration names, and reports that a path may
// end there now. A quiet one was told of before.
func (n *node) checkCA(ctx context.Context, where, id string, partial, quiet bool) (anchor bool) {
	name := "CA " + id[:min(8, len(id))] + "…"
	told := func(report func(name, cure, format string, args ...any), cure, format string, args ...any) {
		if !quiet {
			report(name, cure, format, args...)
		}
	}
	entity, err := n.setup.ca(ctx, id)
	if err != nil {
		n.fail(name, "create the CA certificate under this id, or correct ca_certificates", "%s names %s: %v", where, id, err)
		return false
	}
	set, refused := kongdata.NewFixedSet([]string{id}, []kongdata.Entity{entity})
	if len(refused) > 0 {
		told(n.fail, "replace it: it must be one CA certificate in PEM", "%v", refused[0])
		return false
	}
	cert := set.Snapshot().CAs[0].Certificate
	subject := certificate.DistinguishedName(cert.RawSubject)
	anchored, reason := isAnchor(cert, partial, n.Limits.MinRSABits)
	kind := "self-signed"
	if !slices.Equal(cert.RawIssuer, cert.RawSubject) {
		kind = "an intermediate"
	}
	switch left := cert.NotAfter.Sub(n.Now); {
	case left < 0:
		told(n.fail, "renew it, and update it in Kong under the same id", "%s has expired, %s: it trusts no certificate", subject, cert.NotAfter.UTC().Format(time.DateTime))
		return false
	case n.Now.Before(cert.NotBefore):
		told(n.fail, "correct this node's clock, or wait", "%s is not valid before %s: it trusts no certificate", subject, cert.NotBefore.UTC().Format(time.DateTime))
		return false
	case reason != "":
		told(n.fail, "use a CA with a stronger key", "%s: %s", subject, reason)
		return false
	case left < soon:
		told(n.warn, "renew it, and update it in Kong under the same id", "%s expires in %s", subject, ahead(left))
	case !anchored:
		told(n.warn, "also add the root above it, or set allow_partial_chain", "%s is an intermediate: no path ends there", subject)
	case !quiet:
		n.ok(name, "%s, %s, until %s", subject, kind, cert.NotAfter.UTC().Format(time.DateOnly))
	}
	return anchored
}

// ahead is a time to come in words.
func ahead(left time.Duration) string {
	if days := left / (24 * time.Hour); days > 1 {
		return fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf("%d hours", left/time.Hour)
}

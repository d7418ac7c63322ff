package gateway

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/gateway/rpc"
	"mtls-auth/mtlsauth/internal/gateway/schema"
)

// workspace is the id of Kong's default workspace, made up.
const workspace = "0dc6f45b-8f8d-40d2-a504-473544ee190b"

type service struct {
	id, name string
	url      *url.URL
}

type route struct {
	id, name                               string
	service                                *service
	paths, hosts, methods, protocols, snis []string
	stripPath, preserveHost                bool
}

type plugin struct {
	id, name string
	priority int
	enabled  bool
	route    *route   // nil: every route
	service  *service // nil: every service

	builtin  builtinAccess  // one of Kong's own
	external map[string]any // what StartInstance sends
	loaded   *rpc.Config
}

var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func isUUID(s string) bool { return uuid.MatchString(s) }

// nameUUID makes a UUID of version 5 from words.
func nameUUID(words ...string) string {
	sum := sha1.Sum([]byte("kong-stand-in\x00" + strings.Join(words, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (l *loader) addConsumer(at string, fields map[string]any) error {
	e := newEntity(at, fields, "id", "username", "custom_id")
	username, customID := e.str("username"), e.str("custom_id")
	id := e.id("consumers", username, customID)
	if e.err != nil {
		return e.err
	}
	if username == "" && customID == "" {
		return problemf(at, "at least one of these fields must be non-empty: 'custom_id', 'username'")
	}
	for _, other := range l.consumers {
		for field, value := range map[string]string{"id": id, "username": username, "custom_id": customID} {
			if value != "" && other[field] == value {
				return problemf(at+"."+field, "uniqueness violation: '%s' is already %s", value, other["id"])
			}
		}
	}
	made := map[string]any{"id": id, "created_at": float64(time.Now().Unix()), "updated_at": float64(time.Now().Unix())}
	for field, value := range map[string]string{"username": username, "custom_id": customID} {
		if value != "" {
			made[field] = value
		}
	}
	if tags := e.strs("tags"); tags != nil {
		made["tags"] = fields["tags"]
	}
	l.consumers = append(l.consumers, made)
	return e.err
}

// addCA takes a CA certificate by Kong's rules: one certificate, CA:TRUE, not
// expired.
func (l *loader) addCA(at string, fields map[string]any) error {
	e := newEntity(at, fields, "id", "cert", "cert_digest")
	text := e.str("cert")
	if e.err != nil {
		return e.err
	}
	if text == "" {
		return problemf(at+".cert", "required field missing")
	}
	if strings.Count(text, "-----BEGIN CERTIFICATE-----") > 1 {
		return problemf(at, "please submit only one certificate at a time")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return problemf(at+".cert", "invalid certificate: no PEM certificate in it")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return problemf(at+".cert", "invalid certificate: %v", err)
	case cert.NotAfter.Before(time.Now()):
		return problemf(at, `certificate expired, "Not After" time is in the past`)
	case !cert.IsCA:
		return problemf(at, `certificate does not appear to be a CA because it is missing the "CA" basic constraint`)
	}
	digest := sha256.Sum256(cert.Raw)
	l.cas = append(l.cas, map[string]any{
		"id": e.id("ca_certificates", text), "cert": text, "cert_digest": hex.EncodeToString(digest[:]),
		"created_at": float64(time.Now().Unix()), "updated_at": float64(time.Now().Unix()), "tags": fields["tags"],
	})
	return e.err
}

func (l *loader) addService(at string, fields map[string]any) error {
	e := newEntity(at, fields, "id", "name", "url", "protocol", "host", "port", "path", "retries",
		"connect_timeout", "read_timeout", "write_timeout", "enabled", "routes", "plugins")
	s := &service{name: e.str("name")}
	s.id = e.id("services", s.name, fmt.Sprint(fields["url"]), fmt.Sprint(fields["host"]))
	if raw := e.str("url"); raw != "" {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			e.fail("url", "missing host in url")
		} else {
			s.url = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
		}
	} else {
		protocol, port := e.str("protocol"), e.integer("port", 80)
		if protocol == "" {
			protocol = "http"
		}
		host := e.str("host")
		if host == "" {
			e.fail("host", "required field missing")
		}
		s.url = &url.URL{Scheme: protocol, Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: e.str("path")}
	}
	if e.err == nil && s.url.Scheme != "http" && s.url.Scheme != "https" {
		e.fail("protocol", "expected one of: http, https (the stand-in proxies nothing else)")
	}
	if !e.boolean("enabled", true) {
		e.fail("enabled", "the stand-in has no disabled services")
	}
	if e.err != nil {
		return e.err
	}
	l.services = append(l.services, s)
	if err := each(at+".routes", fields["routes"], func(at string, f map[string]any) error { return l.addRoute(at, f, s) }); err != nil {
		return err
	}
	return each(at+".plugins", fields["plugins"], func(at string, f map[string]any) error { return l.addPlugin(at, f, nil, s) })
}

func (l *loader) addRoute(at string, fields map[string]any, owner *service) error {
	e := newEntity(at, fields, "id", "name", "service", "paths", "hosts", "methods", "protocols", "snis",
		"strip_path", "preserve_host", "plugins")
	r := &route{
		name: e.str("name"), service: owner,
		paths: e.strs("paths"), hosts: e.strs("hosts"), methods: e.strs("methods"), snis: e.strs("snis"),
		protocols: e.strs("protocols", "grpc", "grpcs", "http", "https"),
		stripPath: e.boolean("strip_path", true), preserveHost: e.boolean("preserve_host", false),
	}
	if fields["protocols"] == nil {
		r.protocols = []string{"http", "https"}
	}
	for _, p := range r.paths {
		switch {
		case strings.HasPrefix(p, "~"):
			e.fail("paths", "the stand-in has no regular expressions in paths")
		case !strings.HasPrefix(p, "/"):
			e.fail("paths", "should start with: / (fixed path) or ~/ (regex path)")
		}
	}
	if name := e.reference("service"); name != "" {
		r.service = l.service(name)
		if r.service == nil {
			e.fail("service", "no service %q", name)
		}
	}
	if len(r.paths)+len(r.hosts)+len(r.methods)+len(r.snis) == 0 {
		e.fail("paths", "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'http' or 'https'")
	}
	r.id = e.id("routes", r.name, fmt.Sprint(r.paths, r.hosts, r.methods, r.snis))
	if e.err != nil {
		return e.err
	}
	l.routes = append(l.routes, r)
	return each(at+".plugins", fields["plugins"], func(at string, f map[string]any) error { return l.addPlugin(at, f, r, nil) })
}

func (l *loader) service(name string) *service {
	for _, s := range l.services {
		if s.id == name || s.name != "" && s.name == name {
			return s
		}
	}
	return nil
}

func (l *loader) addPlugin(at string, fields map[string]any, r *route, s *service) error {
	e := newEntity(at, fields, "id", "name", "instance_name", "config", "enabled", "protocols", "route", "service", "consumer")
	p := &plugin{name: e.str("name"), enabled: e.boolean("enabled", true), route: r, service: s}
	if name := e.reference("route"); name != "" {
		for _, r := range l.routes {
			if r.id == name || r.name != "" && r.name == name {
				p.route = r
			}
		}
		if p.route == nil {
			e.fail("route", "no route %q", name)
		}
	}
	if name := e.reference("service"); name != "" {
		if p.service = l.service(name); p.service == nil {
			e.fail("service", "no service %q", name)
		}
	}
	if p.name == "" {
		e.fail("name", "required field missing")
	}
	if e.err != nil {
		return e.err
	}
	routeID, serviceID := "", ""
	if p.route != nil {
		routeID = p.route.id
	}
	if p.service != nil {
		serviceID = p.service.id
	}
	p.id = e.id("plugins", p.name, routeID, serviceID)
	for _, other := range l.plugins {
		if other.name == p.name && other.route == p.route && other.service == p.service {
			e.fail("name", "uniqueness violation: a second %s for the same route and service", p.name)
		}
	}
	var err error
	own, builtin := builtins[p.name]
	switch {
	case e.err != nil:
		return e.err
	case builtin:
		p.priority = own.priority
		p.builtin, err = own.load(p, at, fields)
	case l.info != nil && p.name == l.info.Name:
		p.priority = l.info.Priority
		err = l.configure(p, at, e, routeID, serviceID)
	default:
		err = problemf(at+".name", "plugin '%s' not enabled; add it to the 'plugins' configuration property", p.name)
	}
	if err != nil {
		return err
	}
	l.plugins = append(l.plugins, p)
	return nil
}

// configure checks the configuration of the plugin server's plugin, and makes
// what StartInstance sends.
func (l *loader) configure(p *plugin, at string, e *entity, routeID, serviceID string) error {
	given := map[string]any{}
	for _, field := range []string{"config", "protocols", "consumer"} {
		if v, ok := e.fields[field]; ok {
			given[field] = v
		}
	}
	filled, err := l.schema.Fill(given)
	if err != nil {
		return fmt.Errorf("in '%s': %w", at, err)
	}
	conf, _ := filled["config"].(map[string]any)
	out := schema.Instance(conf)
	out["__key__"] = fmt.Sprintf("plugins:%s:%s:%s:::%s", p.name, routeID, serviceID, workspace)
	out["__plugin_id"] = p.id
	out["__ws_id"] = workspace
	for field, value := range map[string]string{"route_id": routeID, "service_id": serviceID, "plugin_instance_name": e.str("instance_name")} {
		if value != "" {
			out[field] = value
		}
	}
	p.external = out
	return e.err
}

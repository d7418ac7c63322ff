package fakekong

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

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

func (l *loader) addConsumer(at string, fields map[string]any) error {
	names := []string{"id", "username", "custom_id"}
	for _, entity := range l.workers.entities() {
		names = append(names, entity.Name)
	}
	e := newEntity(at, fields, names...)
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
	if e.err != nil {
		return e.err
	}
	l.consumers = append(l.consumers, made)
	for _, entity := range l.workers.entities() {
		if err := each(at+"."+entity.Name, fields[entity.Name], func(at string, f map[string]any) error { return l.addRow(entity, at, f, id) }); err != nil {
			return err
		}
	}
	return nil
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
		e.fail("protocol", "expected one of: http, https (the fake Kong proxies nothing else)")
	}
	if !e.boolean("enabled", true) {
		e.fail("enabled", "the fake Kong has no disabled services")
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
			e.fail("paths", "the fake Kong has no regular expressions in paths")
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

package fakekong

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
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
	made := map[string]any{"id": id, "created_at": float64(time.Now().Unix()), "updated_at": float64(time.Now().Unix())}
	for field, value := range map[string]string{"username": username, "custom_id": customID} {
		if value != "" {
			made[field] = value
		}
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

func (l *loader) addCA(at string, fields map[string]any) error {
	e := newEntity(at, fields, "id", "cert", "cert_digest")
	text := e.str("cert")
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return fmt.Errorf("in '%s.cert': invalid certificate: no PEM in it", at)
	}
	digest := sha256.Sum256(block.Bytes)
	l.cas = append(l.cas, map[string]any{
		"id": e.id("ca_certificates", text), "cert": text, "cert_digest": hex.EncodeToString(digest[:]),
		"created_at": float64(time.Now().Unix()), "updated_at": float64(time.Now().Unix()), "tags": fields["tags"],
	})
	return e.err
}

func (l *loader) addService(at string, fields map[string]any) error {
	e := newEntity(at, fields, "id", "name", "url", "routes", "plugins")
	raw := e.str("url")
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("in '%s.url': %w", at, err)
	}
	s := &service{name: e.str("name"), url: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}}
	s.id = e.id("services", s.name, raw)
	if e.err != nil {
		return e.err
	}
	l.services = append(l.services, s)
	if err := each(at+".routes", fields["routes"], func(at string, f map[string]any) error { return l.addRoute(at, f, s) }); err != nil {
		return err
	}
	return each(at+".plugins", fields["plugins"], func(at string, f map[string]any) error { return l.addPlugin(at, f, nil, s) })
}

// addRoute adds a route of a service.
func (l *loader) addRoute(at string, fields map[string]any, s *service) error {
	e := newEntity(at, fields, "id", "name", "paths", "hosts", "methods", "protocols", "snis", "strip_path", "preserve_host", "plugins")
	r := &route{
		name: e.str("name"), service: s,
		paths: e.strs("paths"), hosts: e.strs("hosts"), methods: e.strs("methods"), snis: e.strs("snis"),
		protocols: e.strs("protocols"),
		stripPath: of(e, "strip_path", true), preserveHost: of(e, "preserve_host", false),
	}
	if r.protocols == nil {
		r.protocols = []string{"http", "https"}
	}
	r.id = e.id("routes", r.name, fmt.Sprint(r.paths, r.hosts, r.methods, r.snis))
	if e.err != nil {
		return e.err
	}
	l.routes = append(l.routes, r)
	return each(at+".plugins", fields["plugins"], func(at string, f map[string]any) error { return l.addPlugin(at, f, r, nil) })
}

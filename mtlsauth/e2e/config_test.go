package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// object is a JSON object, which is YAML too.
type object = map[string]any

// cas are the CA certificates of a Kong, by id.
type cas map[string]*pki.Certificate

// routes are plugin configurations by the path of the route that has them.
type routes map[string]object

// trusted is the plugin configuration of the how-to, with changes.
func trusted(ids []string, change ...object) object {
	config := object{"ca_certificates": ids, "skip_consumer_lookup": true, "revocation_check_mode": "SKIP"}
	for _, c := range change {
		for field, value := range c {
			config[field] = value
		}
	}
	return config
}

// declarative returns a declarative configuration, with changes.
func declarative(tb testing.TB, upstream string, authorities cas, plugins routes, change ...func(object)) []byte {
	tb.Helper()
	var certificates, paths []object
	for id, ca := range authorities {
		certificates = append(certificates, object{"id": id, "cert": ca.PEM()})
	}
	for path, config := range plugins {
		paths = append(paths, object{
			"name": strings.Trim(strings.ReplaceAll(path, "/", "-"), "-"), "paths": []string{path},
			"plugins": []object{{"name": "mtls-auth", "config": config}},
		})
	}
	paths = append(paths, object{"name": "open", "paths": []string{"/open"}})
	config := object{
		"_format_version": "3.0",
		"services":        []object{{"name": "echo", "url": upstream, "routes": paths}},
		"plugins": []object{{"name": "pre-function", "config": object{
			"certificate": []string{handshake.Certificate}, "access": []string{handshake.Access}}}},
		"ca_certificates": certificates,
	}
	for _, f := range change {
		f(config)
	}
	text, err := json.Marshal(config)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// changed changes the configuration that a gateway starts with.
func changed(tb testing.TB, change func(object)) func(*anykong.Options) {
	return func(o *anykong.Options) {
		var config object
		if err := json.Unmarshal(o.Config, &config); err != nil {
			tb.Fatal(err)
		}
		change(config)
		text, err := json.Marshal(config)
		if err != nil {
			tb.Fatal(err)
		}
		o.Config = text
	}
}

// withoutPreFunction returns a configuration without its global plugins.
func withoutPreFunction(tb testing.TB, config []byte) []byte {
	tb.Helper()
	var all object
	if err := json.Unmarshal(config, &all); err != nil {
		tb.Fatal(err)
	}
	delete(all, "plugins")
	text, err := json.Marshal(all)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// withoutHandshake returns a configuration without the pre-function that
// declarative puts in: in Lua mode the plugin asks for certificates itself. One that is no
// JSON is none of declarative's.
func withoutHandshake(config []byte) []byte {
	var all object
	if json.Unmarshal(config, &all) != nil {
		return config
	}
	left := slices.DeleteFunc(list(all["plugins"]), func(plugin object) bool { return plugin["name"] == "pre-function" })
	if all["plugins"] = left; len(left) == 0 {
		delete(all, "plugins")
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return text
}

func consumer(id, username string, more ...object) object {
	c := object{"id": id, "username": username}
	for _, m := range more {
		for field, value := range m {
			c[field] = value
		}
	}
	return c
}

// consumers puts consumers into a configuration.
func consumers(list ...object) func(object) {
	return func(config object) { config["consumers"] = list }
}

// also puts a further plugin on the route with this path.
func also(path string, plugin object) func(object) {
	return func(config object) {
		// What was marshalled and read again is made of []any.
		for _, service := range list(config["services"]) {
			for _, route := range list(service["routes"]) {
				if paths, _ := json.Marshal(route["paths"]); string(paths) == `["`+path+`"]` {
					route["plugins"] = append(list(route["plugins"]), plugin)
				}
			}
		}
	}
}

func list(value any) []object {
	switch value := value.(type) {
	case []object:
		return value
	case []any:
		objects := make([]object, len(value))
		for i, one := range value {
			objects[i] = one.(object)
		}
		return objects
	}
	return nil
}

// with makes the changes of a configuration a gateway's option.
func with(tb testing.TB, changes ...func(object)) func(*anykong.Options) {
	return changed(tb, func(config object) {
		for _, change := range changes {
			change(config)
		}
	})
}

// matching is a plugin configuration that looks consumers up.
func matching(ids []string, change ...object) object {
	return trusted(ids, append([]object{{"skip_consumer_lookup": false}}, change...)...)
}

package config

import (
	"maps"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/certheader"
)

// The schema is what Kong checks a configuration against, in the Admin API, in
// decK and in declarative files, and where its defaults come from. Kong takes
// it from the query command word for word; its own rules for schemas are those
// of Kong's MetaSchema (a description has at least 10 characters, say).

// object is a JSON object whose keys have no order, namedField one that has a
// single key: Kong's way to keep fields in theirs.
type (
	object     map[string]any
	namedField map[string]object
)

// Info is what Kong is told about a plugin.
type Info struct {
	Name     string
	Phases   []string
	Version  string
	Priority int
	Schema   object
}

// Version is the version of the program and of the plugin, x.y.z.
const Version = "0.2.0"

// Priority places the plugin mtls-auth in Kong's order: after pre-function (1000000),
// before all other authentication plugins. It is the enterprise plugin's.
const Priority = 1600

// headerPriority is that of Kong Enterprise's header-cert-auth: after all other
// authentication plugins, of which one may authenticate the proxy.
const headerPriority = 1009

// Describe returns what Kong is told about the plugin of this name.
func Describe(name string) Info {
	priority := Priority
	if PluginOf(name) == HeaderCertAuth {
		priority = headerPriority
	}
	return Info{
		Name:     name,
		Phases:   []string{"access"},
		Version:  Version,
		Priority: priority,
		Schema:   schema(PluginOf(name), name),
	}
}

// schema returns a plugin's schema under a name.
func schema(plugin Plugin, name string) object {
	protocols := []string{"grpc", "grpcs", "http", "https"}
	checks := make([]object, len(together))
	for i, names := range together {
		checks[i] = object{"mutually_required": names}
	}
	if plugin == HeaderCertAuth {
		checks = append(checks, headerChecks...)
	}
	return object{"name": name, "fields": []namedField{
		{"protocols": {
			"type": "set", "required": true, "default": protocols,
			"elements":    object{"type": "string", "one_of": protocols},
			"description": "The protocols of the requests that the plugin runs on.",
		}},
		// The plugin finds the consumer out: it cannot be set up for one.
		{"consumer": {
			"type": "foreign", "reference": "consumers", "eq": nil,
			"description": "The plugin cannot be set up for one consumer.",
		}},
		{"config": {
			"type": "record", "required": true, "fields": schemaOf(fieldsOf(plugin)), "entity_checks": checks,
		}},
	}}
}

// headerChecks are what [certheader.Settings.Check] refuses, as far as Kong can say it.
var headerChecks = []object{
	{"distinct": []string{"certificate_header_name", "certificate_chain_header_name", "verification_header_name"}},
	{"conditional": object{
		"if_field": "certificate_header_format", "if_match": object{"one_of": []string{"xfcc", "base64_list"}},
		"then_field": "certificate_chain_header_name", "then_match": object{"eq": nil},
		"then_err": "certificate_chain_header_name: must not be set with xfcc and base64_list, which have the chain in the same header",
	}},
}

// notReserved refuses the headers of [certheader.Reserved], in any spelling.
func notReserved() (patterns []object) {
	for _, name := range certheader.Reserved {
		pattern := "^"
		for _, c := range name {
			if c == '-' {
				pattern += "[-_]"
			} else {
				pattern += "[" + strings.ToUpper(string(c)) + string(c) + "]"
			}
		}
		patterns = append(patterns, object{"pattern": pattern + "$", "err": "header has another meaning: must be a header of its own"})
	}
	return patterns
}

// fieldsOf returns a plugin's fields.
func fieldsOf(plugin Plugin) []field {
	return slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return f.plugin != "" && f.plugin != plugin })
}

// schemaOf returns fields in Kong's words.
func schemaOf(fields []field) []namedField {
	list := make([]namedField, len(fields))
	for i, f := range fields {
		o := object{"type": f.kind, "description": f.text}
		maps.Copy(o, f.bounds.schema)
		element := o
		if f.kind == array {
			element = object{"type": text}
			o["elements"] = element
		}
		if f.records != nil {
			o["elements"] = object{"type": "record", "fields": schemaOf(f.records)}
		}
		if f.required {
			o["required"] = true
		}
		if f.fallback != nil {
			o["default"] = f.fallback
		}
		if f.minimum > 0 {
			o["len_min"] = f.minimum
		}
		maps.Copy(element, f.form.inSchema())
		if f.uuid {
			element["uuid"] = true
		}
		if f.oneOf != nil {
			element["one_of"] = f.oneOf
		}
		if f.header {
			element["match"], element["match_none"] = headerPattern, notReserved()
		}
		if f.host {
			element["match"] = hostPattern
		}
		list[i] = namedField{f.name: o}
	}
	return list
}

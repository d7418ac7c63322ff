package config

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"mtls-auth/mtlsauth/internal/uuid"
)

// fields reads the fields of a configuration and collects what is wrong.
type fields struct {
	raw   map[string]json.RawMessage
	wrong []error
}

func (f *fields) refuse(name string, format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Errorf("config.%s: %s", name, fmt.Sprintf(format, args...)))
}

// absent tells whether a field is left out or null, which is the same to Kong.
func (f *fields) absent(name string) bool {
	raw, ok := f.raw[name]
	return !ok || string(raw) == "null"
}

// read reads a field into v, or says what was expected.
func (f *fields) read(name string, v any, expected string) bool {
	if err := json.Unmarshal(f.raw[name], v); err != nil {
		f.refuse(name, "expected %s, got %s", expected, cut(string(f.raw[name]), 80))
		return false
	}
	return true
}

func (f *fields) bool(name string, otherwise bool) bool {
	value := otherwise
	if !f.absent(name) {
		f.read(name, &value, "true or false")
	}
	return value
}

func (f *fields) string(name string) string {
	var value string
	if !f.absent(name) && f.read(name, &value, "a string") && value == "" {
		f.refuse(name, "length must be at least 1")
	}
	return value
}

func (f *fields) oneOf(name, otherwise string, allowed ...string) string {
	if f.absent(name) {
		return otherwise
	}
	value := f.string(name)
	if value != "" && !slices.Contains(allowed, value) {
		f.refuse(name, "expected one of: %s, got %q", strings.Join(allowed, ", "), cut(value, 80))
	}
	return value
}

// strings reads an array; with allowed values it takes only those.
func (f *fields) strings(name string, allowed ...string) []string {
	// An empty Lua table may arrive as an object: Lua has one kind for both.
	if f.absent(name) || string(f.raw[name]) == "{}" {
		return nil
	}
	var values []string
	if !f.read(name, &values, "an array of strings") {
		return nil
	}
	for i, value := range values {
		switch {
		case value == "":
			f.refuse(name, "entry %d: length must be at least 1", i+1)
		case len(allowed) > 0 && !slices.Contains(allowed, value):
			f.refuse(name, "entry %d: expected one of: %s, got %q", i+1, strings.Join(allowed, ", "), cut(value, 80))
		}
	}
	return values
}

func (f *fields) uuids(name string) []string {
	if f.absent(name) {
		f.refuse(name, "required field missing: expected the ids of at least one CA certificate")
		return nil
	}
	before := len(f.wrong)
	ids := f.strings(name)
	if len(ids) == 0 && len(f.wrong) == before {
		f.refuse(name, "length must be at least 1")
	}
	for i, id := range ids {
		lower, ok := uuid.Parse(id)
		if !ok {
			f.refuse(name, "entry %d: expected a valid UUID, got %q", i+1, cut(id, 80))
		}
		ids[i] = lower
	}
	return ids
}

func (f *fields) number(name string, otherwise float64, allowed func(float64) bool, expected string) float64 {
	value := otherwise
	if !f.absent(name) && f.read(name, &value, expected) && !allowed(value) {
		f.refuse(name, "expected %s, got %v", expected, value)
	}
	return value
}

// proxy reads a host and a port, which come together or not at all, as
// host:port.
func (f *fields) proxy(host, port string) string {
	name := f.string(host)
	n := f.number(port, 0, func(n float64) bool { return n >= 0 && n <= 65535 && n == float64(int(n)) }, "an integer between 0 and 65535")
	if f.absent(host) != f.absent(port) {
		f.refuse(host, "all or none of these fields must be set: 'config.%s', 'config.%s'", host, port)
	}
	if name == "" {
		return ""
	}
	return net.JoinHostPort(strings.Trim(name, "[]"), strconv.Itoa(int(n)))
}

// credentials reads the manual mappings.
func (f *fields) credentials() []Credential {
	if f.absent(fieldCredentials) || string(f.raw[fieldCredentials]) == "{}" {
		return nil
	}
	var list []map[string]json.RawMessage
	if !f.read(fieldCredentials, &list, "an array of {subject_name, consumer, ca_certificate}") {
		return nil
	}
	var credentials []Credential
	type name struct{ subject, ca string }
	consumers := map[name]string{}
	for i, raw := range list {
		entry := fields{raw: raw}
		subject, consumer, ca := entry.string("subject_name"), entry.string("consumer"), entry.string("ca_certificate")
		for _, required := range []string{"subject_name", "consumer"} {
			if entry.absent(required) {
				entry.refuse(required, "required field missing")
			}
		}
		lowerCA, ok := uuid.Parse(ca)
		if ca != "" && !ok {
			entry.refuse("ca_certificate", "expected a valid UUID, got %q", cut(ca, 80))
			lowerCA = ca // not the mapping for any CA
		}
		for _, err := range entry.wrong {
			f.refuse(fieldCredentials, "entry %d: %s", i+1, strings.TrimPrefix(err.Error(), "config."))
		}
		key := name{subject, lowerCA}
		if before, ok := consumers[key]; ok && before != consumer {
			f.refuse(fieldCredentials, "entry %d: subject_name %q is mapped to two consumers, %q and %q, for one ca_certificate",
				i+1, cut(subject, 80), cut(before, 80), cut(consumer, 80))
		}
		consumers[key] = consumer
		credentials = append(credentials, Credential{subject, consumer, lowerCA})
	}
	return credentials
}

// cut shortens a text for a message.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

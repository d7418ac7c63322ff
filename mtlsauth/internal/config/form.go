package config

import (
	"maps"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/spiffe"
)

// form is what a string must look like, where Kong has no kind of its own for it. Patterns
// are Lua's, which know no alternatives: what they let pass, ok refuses.
type form struct {
	schema   object // in Kong's words, but for the error
	ok       func(string) bool
	expected string // in words
	short    string // for the table of the documentation
}

// inSchema returns the form in Kong's words.
func (f *form) inSchema() object {
	if f == nil {
		return nil
	}
	schema := maps.Clone(f.schema)
	schema["match_any"] = object{"patterns": f.schema["match_any"], "err": "expected " + f.expected}
	if none, ok := f.schema["match_none"].([]string); ok {
		var list []object
		for _, pattern := range none {
			list = append(list, object{"pattern": pattern, "err": "expected an OID in dotted form"})
		}
		schema["match_none"] = list
	}
	return schema
}

// What looks like an OID and is not one: an empty arc, a leading zero, and a second arc
// over 39 below 0 and 1 (X.660, section 7.6).
var notOID = []string{"%.%.", "%.$", "%.0%d", "^[01]%.[4-9]%d", "^[01]%.%d%d%d"}

const oidPattern = "^[012]%.%d[%d%.]*$"

var (
	oidForm = &form{
		schema:   object{"match_any": []string{oidPattern}, "match_none": notOID, "len_max": 256},
		ok:       func(s string) bool { _, ok := certificate.ParseOID(s); return ok },
		expected: "an OID in dotted form, such as 0.4.0.194112.1.0", short: "OID",
	}
	usageForm = &form{
		schema:   object{"match_any": append([]string{oidPattern}, patterns(usageNames())...), "match_none": notOID, "len_max": 256},
		ok:       func(s string) bool { _, ok := usage(s); return ok },
		expected: "an OID in dotted form or one of: " + strings.Join(usageNames(), ", "), short: "OID or name",
	}
	trustDomainForm = &form{
		schema:   object{"match_any": []string{"^[a-z0-9%._%-]+$"}, "len_max": spiffe.MaxTrustDomain},
		ok:       func(s string) bool { _, err := spiffe.ParseTrustDomain(s); return err == nil },
		expected: "a trust domain without spiffe://, at most 255 lower-case letters, digits, dots, dashes and underscores", short: "trust domain",
	}
)

// usages are purposes of extended key usage by the names that OpenSSL has for them.
var usages = map[string]string{
	"serverAuth":          "1.3.6.1.5.5.7.3.1",
	"clientAuth":          "1.3.6.1.5.5.7.3.2",
	"codeSigning":         "1.3.6.1.5.5.7.3.3",
	"emailProtection":     "1.3.6.1.5.5.7.3.4",
	"timeStamping":        "1.3.6.1.5.5.7.3.8",
	"OCSPSigning":         "1.3.6.1.5.5.7.3.9",
	"ipsecIKE":            "1.3.6.1.5.5.7.3.17",
	"msSmartcardLogin":    "1.3.6.1.4.1.311.20.2.2",
	"pkInitClientAuth":    "1.3.6.1.5.2.3.4",
	"anyExtendedKeyUsage": "2.5.29.37.0",
}

func usageNames() []string { return slices.Sorted(maps.Keys(usages)) }

// usage returns the purpose of this name or OID.
func usage(s string) (certificate.OID, bool) {
	if oid, ok := usages[s]; ok {
		s = oid
	}
	return certificate.ParseOID(s)
}

// patterns match the names and nothing else.
func patterns(names []string) (all []string) {
	for _, name := range names {
		all = append(all, "^"+name+"$")
	}
	return all
}

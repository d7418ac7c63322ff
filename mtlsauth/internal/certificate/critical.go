package certificate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// readable says of the extensions that are processed where they are critical
// whether all of a value can be read. Parse has read the first three.
var readable = map[OID]func(value []byte) bool{
	OIDBasicConstraints: func([]byte) bool { return true },
	OIDKeyUsage:         func([]byte) bool { return true },
	OIDExtKeyUsage:      func([]byte) bool { return true },
	OIDSubjectAltName: func(value []byte) bool {
		list, ok := only(value, asn1.SEQUENCE)
		return ok && decodable(list)
	},
	OIDNameConstraints: func(value []byte) bool {
		permitted, excluded, ok := SplitNameConstraints(value)
		return ok && !slices.ContainsFunc(slices.Concat(permitted, excluded), hasNoBase)
	},
	OIDCertificatePolicies:   func(value []byte) bool { _, ok := parsePolicies(value); return ok },
	OIDPolicyMappings:        func(value []byte) bool { _, ok := parsePolicyMappings(value); return ok },
	OIDPolicyConstraints:     func(value []byte) bool { _, _, ok := parsePolicyConstraints(value); return ok },
	OIDInhibitAnyPolicy:      func(value []byte) bool { _, ok := parseSkipCerts(value); return ok },
	OIDCRLDistributionPoints: readableDistributionPoints,
	OIDOCSPNoCheck:           func(value []byte) bool { return string(value) == "\x05\x00" },
}

// hasNoBase reports a subtree whose base is not a general name. What a domain or
// an address says is not asked: a constraint of a form that cannot be read
// refuses names of its kind.
func hasNoBase(t Subtree) bool {
	return t.Base.Undecodable && !slices.Contains([]Kind{DNS, Email, URI, IP}, t.Base.Kind)
}

// CheckCritical refuses a certificate with a critical extension that is not
// understood, or of which any part cannot be read, needed or not (RFC 5280,
// section 4.2). Its error names all of them. Those that RFC 5280 wants never
// critical, such as key identifiers, are not processed as such: OpenSSL refuses
// them too.
func (c *Certificate) CheckCritical() error {
	var found []string
	for _, e := range c.Extensions {
		if !e.Critical {
			continue
		}
		if read, understood := readable[e.ID]; !understood {
			found = append(found, fmt.Sprintf("critical extension %v is not understood", e.ID))
		} else if !read(e.Value) {
			found = append(found, fmt.Sprintf("critical extension %v cannot be read", e.ID))
		}
	}
	if found == nil {
		return nil
	}
	return errors.New(strings.Join(found, ", "))
}

// Package spiffe reads SPIFFE IDs (the SPIFFE ID standard, section 2) and the X.509
// certificates that carry them (the X509-SVID standard, section 5).
//
// It refuses what the standards refuse, and repairs nothing: an ID is compared byte for
// byte, so each has one spelling.
package spiffe

import (
	"errors"
	"fmt"
	"strings"
)

// The bounds of section 2.3, in bytes.
const (
	maxID          = 2048
	MaxTrustDomain = 255
)

const scheme = "spiffe://"

// The characters of sections 2.1 and 2.2.
const (
	TrustDomainCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
	segmentCharacters     = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + TrustDomainCharacters
)

// TrustDomain is the name of a trust domain. Only [ParseTrustDomain] makes one; the zero
// value is no trust domain's.
type TrustDomain struct{ name string }

// String returns the name.
func (d TrustDomain) String() string { return d.name }

// ParseTrustDomain reads the name of a trust domain, without "spiffe://": 1 to 255 lower-case
// letters, digits, dots, dashes and underscores (section 2.1).
func ParseTrustDomain(name string) (TrustDomain, error) {
	switch {
	case name == "":
		return TrustDomain{}, errors.New("the trust domain is empty")
	case len(name) > MaxTrustDomain:
		return TrustDomain{}, fmt.Errorf("a trust domain of %d bytes, must be at most %d", len(name), MaxTrustDomain)
	case !only(name, TrustDomainCharacters):
		return TrustDomain{}, fmt.Errorf("trust domain %.80q, must have only lower-case letters, digits, dots, dashes and underscores", name)
	}
	return TrustDomain{name}, nil
}

// ID is a SPIFFE ID of a workload. Only [ParseID] makes one; the zero value is no
// workload's.
type ID struct {
	domain TrustDomain
	text   string
}

// String returns the ID, which is the URI that was read.
func (id ID) String() string { return id.text }

// TrustDomain returns the trust domain that the ID belongs to. Domains are flat:
// a.example.com is no part of example.com.
func (id ID) TrustDomain() TrustDomain { return id.domain }

// ParseID reads the SPIFFE ID of a workload, which has a path (X509-SVID, section 3.1). User
// information, a port, a query, a fragment and percent-encoding are refused for their
// characters.
func ParseID(uri string) (ID, error) {
	if len(uri) > maxID {
		return ID{}, fmt.Errorf("a SPIFFE ID of %d bytes, must be at most %d", len(uri), maxID)
	}
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return ID{}, fmt.Errorf("URI %.80q, must begin with %s", uri, scheme)
	}
	name, path, _ := strings.Cut(rest, "/")
	domain, err := ParseTrustDomain(name)
	if err != nil {
		return ID{}, err
	}
	if path == "" {
		return ID{}, errors.New("the SPIFFE ID has no path, so it is not a workload's")
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "", segment == ".", segment == "..":
			return ID{}, fmt.Errorf(`a path with the segment %q, must have none that is empty, "." or ".."`, segment)
		case !only(segment, segmentCharacters):
			return ID{}, fmt.Errorf("a path with the segment %.80q, must have only letters, digits, dots, dashes and underscores", segment)
		}
	}
	return ID{domain, uri}, nil
}

// only reports a text of these characters alone.
func only(text, characters string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(characters, r) })
}

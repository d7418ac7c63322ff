package consumer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/certificate"
)

// MaxNames is how many names of a certificate are looked at: with two
// attributes each, the most that one certificate may cost in lookups is 128. A
// certificate of a person or a workload has a handful.
const MaxNames = 64

// Names are the names by which a certificate may match a consumer.
type Names struct {
	// Values are in the order of the certificate, each once, at most MaxNames.
	Values []string
	// More tells that the certificate has, or may have, names which are not
	// among Values. It must then not be treated as one that matches no consumer.
	More bool
	// LeftOut says for the log what else of the certificate looks like a name,
	// and why it is none; mostly empty.
	LeftOut string
}

// NameOptions say which names count.
type NameOptions struct {
	// DirNames is san_dirname_matcher; nil takes every attribute.
	DirNames *DirNameMatcher
	// Believed is given for a path with name constraints and tells which kinds
	// they confine (certpath.Path.Constrains). Others are the free choice of a
	// CA that was given only some names, and so is the CN: neither counts. Nil
	// is a path without constraints, on which every kind counts.
	Believed func(certificate.Kind) bool
}

// SubjectNames returns the names that a leaf can be matched with: the values of
// its subject alternative name extension, and the CN only where there is no
// such extension at all (as Kong has it) and exactly one CN.
//
// DNS, email and URI names are taken as they are written, addresses in their
// usual text form, of a directoryName each attribute value that is text, of
// otherNames the UPN. Values that are empty, undecodable, not UTF-8 or hold a
// control character are dropped. What counts towards MaxNames is what would be
// used: different names that are left when all others are dropped. So a name
// that is not used pushes none out, and More means that one which could have
// matched was not looked at.
//
// It fails closed: from an extension that cannot be read come an error for the
// log, no names, no CN, and More, for it may name a consumer.
func SubjectNames(leaf *certificate.Certificate, o NameOptions) (Names, error) {
	san, present, err := leaf.SubjectAltNames()
	if err != nil {
		return Names{More: true}, fmt.Errorf("reading the subject alternative name: %w", err)
	}
	if !present {
		return commonName(leaf, o)
	}
	c := collector{seen: make(map[string]struct{})}
	unreadable := 0
	for _, name := range san {
		if c.names.More {
			break
		}
		if name.Undecodable {
			unreadable++
		}
		if name.Undecodable || o.Believed != nil && !o.Believed(name.Kind) {
			continue
		}
		switch name.Kind {
		case certificate.DNS, certificate.Email, certificate.URI, certificate.IP, certificate.UPN:
			c.add(name.Value)
		case certificate.DirectoryName:
			attributes, _ := certificate.ParseName(name.Raw)
			for _, a := range attributes {
				if a.Text && o.DirNames.matches(a.Type) {
					c.add(a.Value)
				}
			}
		}
	}
	if unreadable > 0 {
		c.names.LeftOut = fmt.Sprintf("subject alternative names that cannot be read: %d", unreadable)
	}
	return c.names, nil
}

// commonName returns the only CN of the subject; none where there are two, of
// which either may be meant.
func commonName(leaf *certificate.Certificate, o NameOptions) (Names, error) {
	var found []certificate.Attribute
	attributes, _ := certificate.ParseName(leaf.RawSubject)
	for _, a := range attributes {
		if a.Type == certificate.TypeCommonName {
			found = append(found, a)
		}
	}
	switch {
	case len(found) == 0:
		return Names{}, nil
	case o.Believed != nil:
		return Names{LeftOut: "CN: the path has name constraints"}, nil
	case len(found) > 1:
		return Names{LeftOut: fmt.Sprintf("CN: there are %d", len(found))}, nil
	case !found[0].Text:
		return Names{LeftOut: "CN: not text of a string type that can be read (" + found[0].StringType() + ")"}, nil
	case found[0].Value == "":
		return Names{LeftOut: "CN: empty"}, nil
	case !usable(found[0].Value):
		return Names{LeftOut: "CN: it has a control character"}, nil
	}
	return Names{Values: []string{found[0].Value}}, nil
}

// usable reports whether a value is a name: not empty, UTF-8, no C0, DEL or C1.
func usable(value string) bool {
	return value != "" && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

type collector struct {
	names Names
	seen  map[string]struct{}
}

func (c *collector) add(value string) {
	if !usable(value) {
		return
	}
	if _, twice := c.seen[value]; twice {
		return
	}
	if len(c.names.Values) == MaxNames {
		c.names.More = true
		return
	}
	c.seen[value] = struct{}{}
	c.names.Values = append(c.names.Values, value)
}

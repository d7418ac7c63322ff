package consumer

import "mtls-auth/mtlsauth/internal/certificate"

// DirNameMatcher is a compiled san_dirname_matcher: the attributes of a SAN
// directoryName whose values are names. A nil matcher takes every attribute,
// the zero one none.
type DirNameMatcher struct {
	types map[string]struct{} // dotted object identifiers
}

// NewDirNameMatcher compiles attribute names: an object identifier in dotted
// form, OpenSSL's long name or its short name of the attribute, compared
// case-sensitively as in Kong. An unknown one matches nothing: a list of
// unknown ones takes no attribute at all. An empty list takes all.
func NewDirNameMatcher(attributes []string) *DirNameMatcher {
	if len(attributes) == 0 {
		return nil
	}
	m := &DirNameMatcher{types: make(map[string]struct{}, len(attributes))}
	for _, name := range attributes {
		if oid, known := attributeTypes[name]; known {
			name = oid
		}
		// Other text stays as it is. Attribute types are dotted numbers, which
		// no unknown name equals.
		m.types[name] = struct{}{}
	}
	return m
}

func (m *DirNameMatcher) matches(id certificate.OID) bool {
	if m == nil {
		return true
	}
	_, ok := m.types[id.String()]
	return ok
}

// attributeTypes are OpenSSL's names, short and long, of the attributes that
// distinguished names are made of: X.520, RFC 4519, RFC 4524, PKCS #9, and
// those that the CA/Browser Forum and ETSI ask for. Where OpenSSL has one name
// for both, it stands once. Its names are not RFC 4514's: `street`, not
// `STREET`, and `uid` is uniqueIdentifier, not userId.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "commonName": "2.5.4.3",
	"SN": "2.5.4.4", "surname": "2.5.4.4",
	"serialNumber": "2.5.4.5",
	"C":            "2.5.4.6", "countryName": "2.5.4.6",
	"L": "2.5.4.7", "localityName": "2.5.4.7",
	"ST": "2.5.4.8", "stateOrProvinceName": "2.5.4.8",
	"street": "2.5.4.9", "streetAddress": "2.5.4.9",
	"O": "2.5.4.10", "organizationName": "2.5.4.10",
	"OU": "2.5.4.11", "organizationalUnitName": "2.5.4.11",
	"title":                      "2.5.4.12",
	"description":                "2.5.4.13",
	"businessCategory":           "2.5.4.15",
	"postalAddress":              "2.5.4.16",
	"postalCode":                 "2.5.4.17",
	"postOfficeBox":              "2.5.4.18",
	"physicalDeliveryOfficeName": "2.5.4.19",
	"telephoneNumber":            "2.5.4.20",
	"facsimileTelephoneNumber":   "2.5.4.23",
	"x121Address":                "2.5.4.24",
	"internationaliSDNNumber":    "2.5.4.25",
	"registeredAddress":          "2.5.4.26",
	"destinationIndicator":       "2.5.4.27",
	"member":                     "2.5.4.31",
	"owner":                      "2.5.4.32",
	"roleOccupant":               "2.5.4.33",
	"seeAlso":                    "2.5.4.34",
	"name":                       "2.5.4.41",
	"GN":                         "2.5.4.42", "givenName": "2.5.4.42",
	"initials":               "2.5.4.43",
	"generationQualifier":    "2.5.4.44",
	"x500UniqueIdentifier":   "2.5.4.45",
	"dnQualifier":            "2.5.4.46",
	"distinguishedName":      "2.5.4.49",
	"uniqueMember":           "2.5.4.50",
	"houseIdentifier":        "2.5.4.51",
	"dmdName":                "2.5.4.54",
	"pseudonym":              "2.5.4.65",
	"role":                   "2.5.4.72",
	"organizationIdentifier": "2.5.4.97",
	"c3":                     "2.5.4.98", "countryCode3c": "2.5.4.98",
	"n3": "2.5.4.99", "countryCode3n": "2.5.4.99",
	"dnsName": "2.5.4.100",

	"emailAddress":        "1.2.840.113549.1.9.1",
	"unstructuredName":    "1.2.840.113549.1.9.2",
	"unstructuredAddress": "1.2.840.113549.1.9.8",

	"UID": "0.9.2342.19200300.100.1.1", "userId": "0.9.2342.19200300.100.1.1",
	"mail": "0.9.2342.19200300.100.1.3", "rfc822Mailbox": "0.9.2342.19200300.100.1.3",
	"info":       "0.9.2342.19200300.100.1.4",
	"roomNumber": "0.9.2342.19200300.100.1.6",
	"userClass":  "0.9.2342.19200300.100.1.8",
	"host":       "0.9.2342.19200300.100.1.9",
	"manager":    "0.9.2342.19200300.100.1.10",
	"DC":         "0.9.2342.19200300.100.1.25", "domainComponent": "0.9.2342.19200300.100.1.25",
	"associatedDomain":      "0.9.2342.19200300.100.1.37",
	"associatedName":        "0.9.2342.19200300.100.1.38",
	"personalTitle":         "0.9.2342.19200300.100.1.40",
	"mobileTelephoneNumber": "0.9.2342.19200300.100.1.41",
	"pagerTelephoneNumber":  "0.9.2342.19200300.100.1.42",
	"friendlyCountryName":   "0.9.2342.19200300.100.1.43",
	"uid":                   "0.9.2342.19200300.100.1.44", "uniqueIdentifier": "0.9.2342.19200300.100.1.44",
	"organizationalStatus": "0.9.2342.19200300.100.1.45",
	"buildingName":         "0.9.2342.19200300.100.1.48",

	"jurisdictionL": "1.3.6.1.4.1.311.60.2.1.1", "jurisdictionLocalityName": "1.3.6.1.4.1.311.60.2.1.1",
	"jurisdictionST": "1.3.6.1.4.1.311.60.2.1.2", "jurisdictionStateOrProvinceName": "1.3.6.1.4.1.311.60.2.1.2",
	"jurisdictionC": "1.3.6.1.4.1.311.60.2.1.3", "jurisdictionCountryName": "1.3.6.1.4.1.311.60.2.1.3",

	"INN":    "1.2.643.3.131.1.1",
	"OGRN":   "1.2.643.100.1",
	"SNILS":  "1.2.643.100.3",
	"OGRNIP": "1.2.643.100.5",
}

// Package uuid reads UUIDs as Kong does, the ids of all its entities.
package uuid

import "strings"

// length is that of 8-4-4-4-12 hexadecimal digits.
const length = 36

// Parse returns s in lower case, in which ids are compared, and whether it is a
// UUID as Kong's schemas ask for one: 8-4-4-4-12 hexadecimal digits of any
// version. Any other string gives "".
func Parse(s string) (string, bool) {
	if len(s) != length {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return "", false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return "", false
			}
		}
	}
	return strings.ToLower(s), true
}

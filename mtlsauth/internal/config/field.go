package config

import "time"

// field is a field of a configuration, or of a record in it.
type field struct {
	name     string
	kind     kind
	plugin   Plugin // that has it; "" for both
	required bool
	// fallback is the default: a bool, a string, an int or a []string; nil for none. Kong
	// fills it in where a field is left out, and so does Parse, where null means it too.
	fallback any
	// nullable says that null means none, and not the default.
	nullable bool
	oneOf    []string // of a string, or of an array's strings
	uuid     bool     // a string, or an array's strings
	host     bool     // a string: a host name or an IP address
	header   bool     // a string: the name of a header, see headerPattern
	form     *form    // of a string, or of an array's strings
	minimum  int      // the number of an array's elements
	bounds   bounds   // of a number
	unit     string   // of a number: a key of units
	records  []field  // of an array of records
	text     string   // what it means
	set      func(*draft, value)
}

// kind is Kong's name for a type.
type kind string

const (
	boolean kind = "boolean"
	text    kind = "string"
	number  kind = "number"
	integer kind = "integer"
	array   kind = "array"
)

// value is what a field says; that of its kind is set.
type value struct {
	bool     bool
	text     string
	number   float64
	duration time.Duration // a number with a unit
	list     []string
	records  []map[string]value
}

var units = map[string]time.Duration{"milliseconds": time.Millisecond, "seconds": time.Second}

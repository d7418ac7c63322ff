package schema

import (
	"regexp"
	"strings"
)

// luaMatch is Lua's string.match as far as schemas use it: classes (%w %d %s
// %a %x …), sets, anchors and the repetitions * + - ?. A pattern with %b, %f or
// a back reference matches nothing.
func luaMatch(s, pattern string) bool {
	re, ok := luaPattern(pattern)
	return ok && re.MatchString(s)
}

var luaClasses = map[byte]string{
	'a': `A-Za-z`, 'd': `0-9`, 'l': `a-z`, 'u': `A-Z`, 'w': `A-Za-z0-9`, 'x': `0-9A-Fa-f`, 's': `\t\n\v\f\r `,
	'p': `!-/:-@\[-` + "`" + `{-~`, 'c': `\x00-\x1f\x7f`,
}

// luaPattern writes a Lua pattern as a regular expression; false when it has
// something that one cannot express.
func luaPattern(p string) (*regexp.Regexp, bool) {
	var out strings.Builder
	out.WriteString("(?s)")
	inSet := false
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '%' && i+1 < len(p):
			i++
			class, known := luaClasses[p[i]|0x20]
			isLetter := p[i]|0x20 >= 'a' && p[i]|0x20 <= 'z'
			negated := p[i] >= 'A' && p[i] <= 'Z'
			switch {
			case !isLetter && (p[i] < '0' || p[i] > '9'):
				out.WriteString(regexp.QuoteMeta(string(p[i])))
				if inSet && p[i] == '-' {
					// QuoteMeta leaves a hyphen as it is; in a set it needs one.
					s := out.String()
					out.Reset()
					out.WriteString(s[:len(s)-1] + `\-`)
				}
			case !known || negated && inSet:
				return nil, false
			case inSet:
				out.WriteString(class)
			case negated:
				out.WriteString("[^" + class + "]")
			default:
				out.WriteString("[" + class + "]")
			}
		case inSet:
			if c == ']' {
				inSet = false
			}
			if c == '\\' {
				out.WriteByte('\\')
			}
			out.WriteByte(c)
		case c == '[':
			inSet = true
			out.WriteByte(c)
			if i+1 < len(p) && p[i+1] == '^' {
				i++
				out.WriteByte('^')
			}
		case c == '-':
			out.WriteString("*?")
		case c == '\\' || c == '{' || c == '}' || c == '|':
			out.WriteString(`\` + string(c))
		case c == '^' && i > 0, c == '$' && i < len(p)-1:
			out.WriteString(`\` + string(c))
		case c == '$':
			out.WriteString(`\z`)
		default:
			out.WriteByte(c)
		}
	}
	re, err := regexp.Compile(out.String())
	return re, err == nil
}

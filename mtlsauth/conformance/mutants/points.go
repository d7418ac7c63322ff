package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pack is a package with its mutants.
type pack struct {
	dir     string
	name    string
	files   []*source
	mutants []*mutant
}

type source struct {
	path    string
	text    []byte
	inserts []insert
}

// insert puts text into a file. Where several meet, what closes comes before what opens,
// and the inner one of two is the nearer to what is between.
type insert struct {
	at, other int
	opens     bool
	text      string
	mutant    *mutant
}

// mutant is one change.
type mutant struct {
	id       int
	file     string // path below the package's folder
	line     int
	function string
	what     string // always, never, boundary, negated, left out
	text     string // what is changed
	nth      int    // of those of the same text in the function
}

// key names a mutant for as long as the function stays what it is.
func (m *mutant) key() string {
	key := fmt.Sprintf("%s: %s: %s: %s", m.file, m.function, m.what, m.text)
	if m.nth > 1 {
		key += fmt.Sprintf(" (%d)", m.nth)
	}
	return key
}

func (m *mutant) String() string { return m.key() }

// The operators.
const (
	always   = "always"
	never    = "never"
	boundary = "boundary"
	negated  = "negated"
	leftOut  = "left out"
)

// load reads the files of a package that this platform compiles, and finds all that can be
// changed in them.
func load(dir, only string) (*pack, error) {
	listed, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	p := &pack{dir: dir, name: listed.Name}
	for _, name := range listed.GoFiles {
		if only != "" && name != only {
			continue
		}
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(text, []byte("// Code generated ")) {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s := &source{path: path, text: text}
		p.files = append(p.files, s)
		for _, decl := range file.Decls {
			name := "var"
			if f, ok := decl.(*ast.FuncDecl); ok {
				name = f.Name.Name
				if f.Recv != nil {
					name = receiver(f.Recv.List[0].Type) + "." + name
				}
			} else if g := decl.(*ast.GenDecl); g.Tok != token.VAR {
				continue
			}
			v := &finder{pack: p, source: s, set: set, function: name, seen: map[string]int{}}
			ast.Inspect(decl, v.visit)
		}
	}
	return p, nil
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// finder finds the mutants of a function.
type finder struct {
	pack     *pack
	source   *source
	set      *token.FileSet
	function string
	seen     map[string]int
}

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.condition(n.Cond, always, never)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.condition(n.Cond, never)
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, clause := range n.Body.List {
				for _, e := range clause.(*ast.CaseClause).List {
					f.condition(e, always, never)
				}
			}
		}
	case *ast.ReturnStmt:
		for _, e := range n.Results {
			f.value(e)
		}
	case *ast.AssignStmt:
		for _, e := range n.Rhs {
			f.value(e)
		}
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
	case *ast.CommClause:
		f.statements(n.Body)
	}
	return true
}

// value is a bool that is returned or assigned, where it can be seen to be one.
func (f *finder) value(e ast.Expr) {
	switch e := e.(type) {
	case *ast.Ident:
		if e.Name == "true" || e.Name == "false" {
			f.add(e, negated, "(", " != %s)")
		}
	case *ast.ParenExpr:
		f.value(e.X)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			f.condition(e, always, never)
		}
	case *ast.BinaryExpr:
		if isLogical(e.Op) || isComparison(e.Op) {
			f.condition(e, always, never)
		}
	}
}

// condition finds the parts of a condition.
func (f *finder) condition(e ast.Expr, whats ...string) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.condition(e.X, whats...)
		return
	case *ast.BinaryExpr:
		switch {
		case e.Op == token.LAND: // left out of it
			f.condition(e.X, always)
			f.condition(e.Y, always)
			if slices.Contains(whats, never) {
				f.add(e, never, "(", " && !%s)")
			}
			return
		case e.Op == token.LOR:
			f.condition(e.X, never)
			f.condition(e.Y, never)
			if slices.Contains(whats, always) {
				f.add(e, always, "(%s || ", ")")
			}
			return
		case isOrder(e.Op) && isPure(e.X) && isPure(e.Y):
			x, y := f.text(e.X), f.text(e.Y)
			f.add(e, boundary, "((", ") != (%s && "+x+" == "+y+"))")
		}
	}
	for _, what := range whats {
		if what == always {
			f.add(e, always, "(%s || ", ")")
		} else {
			f.add(e, never, "(", " && !%s)")
		}
	}
}

// statements finds those that can be left out.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			f.add(s, leftOut, "if !%s { ", " }")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && f.text(s.Lhs[0]) != "_" {
				f.add(s, leftOut, "if !%s { ", " }")
			}
		case *ast.BranchStmt:
			if s.Tok == token.CONTINUE || s.Tok == token.BREAK {
				f.add(s, leftOut, "if !%s { ", " }")
			}
		}
	}
}

// add makes a mutant of a node; %s in before and after is whether it is switched on.
func (f *finder) add(n ast.Node, what, before, after string) {
	text := strings.Join(strings.Fields(f.text(n)), " ")
	if len(text) > 100 {
		text = text[:100] + "…"
	}
	f.seen[what+text]++
	m := &mutant{
		id: len(f.pack.mutants), file: filepath.Base(f.source.path), line: f.set.Position(n.Pos()).Line,
		function: f.function, what: what, text: text, nth: f.seen[what+text],
	}
	f.pack.mutants = append(f.pack.mutants, m)
	on := fmt.Sprintf("mutantIs(%d)", m.id)
	from, to := f.set.Position(n.Pos()).Offset, f.set.Position(n.End()).Offset
	f.source.inserts = append(f.source.inserts,
		insert{at: from, other: to, opens: true, text: strings.ReplaceAll(before, "%s", on), mutant: m},
		insert{at: to, other: from, text: strings.ReplaceAll(after, "%s", on), mutant: m})
}

func (f *finder) text(n ast.Node) string {
	return string(f.source.text[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])
}

func isLogical(op token.Token) bool { return op == token.LAND || op == token.LOR }

func isOrder(op token.Token) bool {
	return op == token.LSS || op == token.LEQ || op == token.GTR || op == token.GEQ
}

func isComparison(op token.Token) bool { return isOrder(op) || op == token.EQL || op == token.NEQ }

// isPure says whether an expression can be evaluated twice.
func isPure(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident, *ast.BasicLit:
		return true
	case *ast.SelectorExpr:
		return isPure(e.X)
	case *ast.ParenExpr:
		return isPure(e.X)
	case *ast.IndexExpr:
		return isPure(e.X) && isPure(e.Index)
	case *ast.BinaryExpr:
		return isPure(e.X) && isPure(e.Y)
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "len" && isPure(e.Args[0])
	}
	return false
}

// mutated returns the file with all mutants but those that are not wanted.
func (s *source) mutated(without map[*mutant]bool) []byte {
	inserts := slices.DeleteFunc(slices.Clone(s.inserts), func(i insert) bool { return without[i.mutant] })
	slices.SortStableFunc(inserts, func(a, b insert) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.opens != b.opens:
			if a.opens {
				return 1
			}
			return -1
		case a.other != b.other:
			return b.other - a.other
		case a.opens: // of one node
			return a.mutant.id - b.mutant.id
		}
		return b.mutant.id - a.mutant.id
	})
	var out []byte
	last := 0
	for _, i := range inserts {
		out = append(append(out, s.text[last:i.at]...), i.text...)
		last = i.at
	}
	return append(out, s.text[last:]...)
}

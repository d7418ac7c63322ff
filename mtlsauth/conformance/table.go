package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// A verifier is what is asked about vectors.
type verifier struct {
	name string
	mu   sync.Mutex
	says map[string]answer // by the vector's name
}

func verifiers(names ...string) []*verifier {
	var all []*verifier
	for _, name := range names {
		all = append(all, &verifier{name: name, says: map[string]answer{}})
	}
	return all
}

func (v *verifier) put(one vector, a answer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.says[one.name] = a
}

func (v *verifier) askOurs(ctx context.Context, p product, vectors []vector) error {
	return each(vectors, 4, func(one vector) error {
		a, err := p.ask(ctx, one)
		v.put(one, a)
		return err
	})
}

func (v *verifier) askStdlib(vectors []vector) {
	for _, one := range vectors {
		v.put(one, byStdlib(one))
	}
}

func (v *verifier) askOpenSSL(ctx context.Context, vectors []vector) error {
	return each(vectors, 2, func(one vector) error {
		a, err := byOpenSSL(ctx, one)
		v.put(one, a)
		return err
	})
}

// askProxy asks a proxy about the vectors that it can be asked: without a CRL it would not
// check status. One that is not installed is not asked.
func (v *verifier) askProxy(ctx context.Context, vectors []vector, start func(context.Context, []vector) (*proxies, error)) error {
	vectors = slices.DeleteFunc(slices.Clone(vectors), func(one vector) bool { return one.key == nil || one.ocsp == "" && len(one.crls) == 0 })
	p, err := start(ctx, vectors)
	if p != nil {
		defer p.stop()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for n, one := range vectors {
		a, err := p.ask(n, one)
		if err != nil {
			return err
		}
		v.put(one, a)
	}
	return nil
}

// tally says how the verifier did.
func (v *verifier) tally(vectors []vector) string {
	var right, accepted, refused int
	for _, one := range vectors {
		switch a := v.says[one.name]; {
		case a == cannot:
		case a.right(one):
			right++
		case a == accepts:
			accepted++
		default:
			refused++
		}
	}
	if right+accepted+refused == 0 {
		return "–"
	}
	text := fmt.Sprint(right)
	if accepted > 0 {
		text += fmt.Sprintf(", **%d passed**", accepted)
	}
	if refused > 0 {
		text += fmt.Sprintf(", %d refused", refused)
	}
	return text
}

// rows are those of a table in Markdown, with a cell for each verifier.
func rows(first [2]string, all []*verifier) (b *strings.Builder, row func(first [2]string, cell func(*verifier) string)) {
	b = new(strings.Builder)
	row = func(first [2]string, cell func(*verifier) string) {
		fmt.Fprintf(b, "| %s | %s |", first[0], first[1])
		for _, v := range all {
			fmt.Fprintf(b, " %s |", cell(v))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	row(first, func(v *verifier) string { return v.name })
	b.WriteString("|---|---|" + strings.Repeat("---|", len(all)) + "\n")
	return b, row
}

// table has a row for each section.
func table(all []*verifier, vectors []vector, title func(string) string) string {
	b, row := rows([2]string{"section", "vectors"}, all)
	var order []string
	bySection := map[string][]vector{}
	for _, v := range vectors {
		if bySection[v.section] == nil {
			order = append(order, v.section)
		}
		bySection[v.section] = append(bySection[v.section], v)
	}
	for _, section := range order {
		of := bySection[section]
		row([2]string{title(section), fmt.Sprint(len(of))}, func(v *verifier) string { return v.tally(of) })
	}
	row([2]string{"all", fmt.Sprint(len(vectors))}, func(v *verifier) string { return v.tally(vectors) })
	return b.String()
}

// list has a row for each vector.
func list(all []*verifier, vectors []vector) string {
	b, row := rows([2]string{"probe", "right is"}, all)
	word := func(a answer) string { return [...]string{"–", "pass", "refuse"}[a] }
	for _, one := range vectors {
		row([2]string{one.name, word(saysIf(one.valid))}, func(v *verifier) string {
			switch a := v.says[one.name]; {
			case a == accepts && !one.valid:
				return "**" + word(a) + "**"
			case a == refuses && one.valid:
				return "*" + word(a) + "*"
			default:
				return word(a)
			}
		})
	}
	row([2]string{fmt.Sprintf("right, of %d", len(vectors)), ""}, func(v *verifier) string { return v.tally(vectors) })
	return b.String()
}

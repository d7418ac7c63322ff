package certpath

import "crypto/x509"

// anyPolicy is 2.5.29.32.0 as the content of an OBJECT IDENTIFIER.
const anyPolicy = "\x55\x1d\x20\x00"

// PolicyInputs are the inputs of RFC 5280, section 6.1.1, (c), (e), (f) and
// (g), on certificate policies. The zero value asks for no policy.
type PolicyInputs struct {
	// Initial is the user-initial-policy-set: policies as the content of their
	// OBJECT IDENTIFIER. Empty means any-policy. Without Explicit, or a
	// certificate that requires an explicit policy, it refuses nothing.
	Initial []string
	// Explicit asks for a path that is valid for a policy of Initial.
	Explicit bool
	// InhibitMapping forbids policy mapping on the path.
	InhibitMapping bool
	// InhibitAny has anyPolicy in a certificate not count as a policy.
	InhibitAny bool
}

// policies is what a certificate says about policies (section 4.2.1.4, .5, .11
// and .14).
type policies struct {
	asserted         []string    // nil where there are none, or none that can be read
	mappings         [][2]string // issuerDomainPolicy, subjectDomainPolicy
	requireExplicit  int         // SkipCerts, -1 where absent
	inhibitMapping   int
	inhibitAnyPolicy int
}

// policyNode is a node of the valid policy graph (RFC 9618, section 5). A
// policy has one in each level of the graph, whatever the number of ways that
// lead to it: a tree of them grows exponentially with the length of the path.
type policyNode struct {
	policy   string
	expected []string // in the certificate below
	parents  []*policyNode
}

// policyGraph is the lowest level of the graph. What has no descendants in it
// is out of reach, and so needs no pruning.
type policyGraph map[string]*policyNode

// checkPolicies refuses a path that is not valid under the policy inputs
// (section 6.1). Where nobody asks for an explicit policy, what certificates say
// about policies is not needed, and not looked at.
func (s *search) checkPolicies(path []*node) *Error {
	below := len(path) - 1 // n of section 6.1: the trust anchor does not count
	all := make([]policies, below)
	required := s.policies.Explicit
	for i, n := range path[:below] {
		all[i] = readPolicies(n.cert)
		required = required || all[i].requireExplicit >= 0
	}
	if required && !policiesValid(path, all, s.policies) {
		return refuse(Constraint, path[0].cert, "no valid certificate policy, and one is required")
	}
	return nil
}

func policiesValid(path []*node, all []policies, in PolicyInputs) bool {
	below := len(all)
	counter := func(now bool) int {
		if now {
			return 0
		}
		return below + 1
	}
	explicit, mapping, inhibitAny := counter(in.Explicit), counter(in.InhibitMapping), counter(in.InhibitAny)
	graph := policyGraph{anyPolicy: {policy: anyPolicy, expected: []string{anyPolicy}}}
	for i := below - 1; i >= 0; i-- {
		n, p := path[i], all[i]
		graph = graph.next(p.asserted, inhibitAny > 0 || i > 0 && n.selfIssued())
		if explicit == 0 && len(graph) == 0 {
			return false
		}
		if i == 0 {
			// 6.1.5 (a), (b)
			if explicit > 0 {
				explicit--
			}
			if p.requireExplicit == 0 {
				explicit = 0
			}
			break
		}
		if !graph.mapped(p.mappings, mapping > 0) {
			return false
		}
		// 6.1.4 (h), (i), (j)
		for _, c := range []*int{&explicit, &mapping, &inhibitAny} {
			if *c > 0 && !n.selfIssued() {
				*c--
			}
		}
		lower(&explicit, p.requireExplicit)
		lower(&mapping, p.inhibitMapping)
		lower(&inhibitAny, p.inhibitAnyPolicy)
	}
	return explicit > 0 || graph.meets(in.Initial)
}

func lower(counter *int, to int) {
	if to >= 0 && to < *counter {
		*counter = to
	}
}

// next is 6.1.3 (d) and (e): the level of a certificate with these policies.
func (g policyGraph) next(asserted []string, anyCounts bool) policyGraph {
	expecting := map[string][]*policyNode{}
	for _, n := range g {
		for _, policy := range n.expected {
			expecting[policy] = append(expecting[policy], n)
		}
	}
	out := policyGraph{}
	add := func(policy string, parents []*policyNode) {
		if out[policy] == nil && len(parents) > 0 {
			out[policy] = &policyNode{policy, []string{policy}, parents}
		}
	}
	var any bool
	for _, policy := range asserted {
		switch {
		case policy == anyPolicy:
			any = true
		case len(expecting[policy]) > 0:
			add(policy, expecting[policy])
		case g[anyPolicy] != nil:
			add(policy, []*policyNode{g[anyPolicy]})
		}
	}
	if any && anyCounts {
		for policy, parents := range expecting {
			add(policy, parents)
		}
	}
	return out
}

// mapped is 6.1.4 (a) and (b). It reports false where anyPolicy is mapped.
func (g policyGraph) mapped(mappings [][2]string, allowed bool) bool {
	to := map[string][]string{}
	for _, m := range mappings {
		if m[0] == anyPolicy || m[1] == anyPolicy {
			return false
		}
		to[m[0]] = append(to[m[0]], m[1])
	}
	for policy, expected := range to {
		n := g[policy]
		switch {
		case !allowed:
			delete(g, policy)
		case n != nil:
			n.expected = expected
		case g[anyPolicy] != nil:
			g[policy] = &policyNode{policy, expected, g[anyPolicy].parents}
		}
	}
	return true
}

// meets is 6.1.5 (g): whether a policy under which the path is valid is one of
// the user's, in the words of the trust anchor's domain.
func (g policyGraph) meets(initial []string) bool {
	if len(initial) == 0 || g[anyPolicy] != nil {
		return len(g) > 0
	}
	wanted := map[string]bool{}
	for _, policy := range initial {
		wanted[policy] = true
	}
	seen := map[*policyNode]bool{}
	var reaches func(n *policyNode) bool
	reaches = func(n *policyNode) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		for _, parent := range n.parents {
			if parent.policy == anyPolicy && (wanted[n.policy] || wanted[anyPolicy]) || reaches(parent) {
				return true
			}
		}
		return false
	}
	for _, n := range g {
		if reaches(n) {
			return true
		}
	}
	return false
}

// readPolicies reads what a certificate says about policies.
func readPolicies(cert *x509.Certificate) policies {
	p := policies{requireExplicit: -1, inhibitMapping: -1, inhibitAnyPolicy: -1}
	der := func(o x509.OID) string { b, _ := o.MarshalBinary(); return string(b) }
	for _, o := range cert.Policies {
		p.asserted = append(p.asserted, der(o))
	}
	for _, m := range cert.PolicyMappings {
		p.mappings = append(p.mappings, [2]string{der(m.IssuerDomainPolicy), der(m.SubjectDomainPolicy)})
	}
	if cert.RequireExplicitPolicy > 0 || cert.RequireExplicitPolicyZero {
		p.requireExplicit = cert.RequireExplicitPolicy
	}
	if cert.InhibitPolicyMapping > 0 || cert.InhibitPolicyMappingZero {
		p.inhibitMapping = cert.InhibitPolicyMapping
	}
	if cert.InhibitAnyPolicy > 0 || cert.InhibitAnyPolicyZero {
		p.inhibitAnyPolicy = cert.InhibitAnyPolicy
	}
	return p
}

package certpath

import (
	"slices"

	"mtls-auth/mtlsauth/internal/certificate"
)

type oid = certificate.OID

const anyPolicy = certificate.AnyPolicy

// PolicyInputs are the inputs of RFC 5280, section 6.1.1, (c), (e), (f) and
// (g), on certificate policies. The zero value asks for no policy.
type PolicyInputs struct {
	// Initial is the user-initial-policy-set; empty means any-policy. It refuses
	// nothing unless an explicit policy is required, by Explicit or by a
	// certificate.
	Initial []certificate.OID
	// Explicit asks for a path that is valid for a policy of Initial.
	Explicit bool
	// InhibitMapping forbids policy mapping on the path.
	InhibitMapping bool
	// InhibitAny has anyPolicy in a certificate count for nothing.
	InhibitAny bool
}

// policyNode is a node of the valid policy graph (RFC 9618, section 5). A
// policy has one in each level of the graph, whatever the number of ways that
// lead to it: a tree of them grows exponentially with the length of the path.
type policyNode struct {
	policy   oid
	expected []oid // in the certificate below
	parents  []*policyNode
}

// policyGraph is the lowest level of the graph. What has no descendants in it
// is out of reach, and so needs no pruning.
type policyGraph map[oid]*policyNode

// checkPolicies refuses a path that is not valid under the policy inputs
// (section 6.1). Where no explicit policy is required, what certificates say about
// policies is not needed, and not read.
func (s *search) checkPolicies(path []*node) *Error {
	path = path[:len(path)-1] // the trust anchor is not processed
	if !s.policies.Explicit && !slices.ContainsFunc(path, func(n *node) bool {
		return n.cert.Extension(certificate.OIDPolicyConstraints) != nil
	}) {
		return nil
	}
	all := make([]certificate.Policies, len(path))
	for i, n := range path {
		all[i] = n.cert.Policies()
		if !s.afford(5 * (len(all[i].Asserted) + len(all[i].Mappings))) {
			return refuse(TooCostly, n.cert, "too many certificate policies")
		}
	}
	if !policiesValid(path, all, s.policies) {
		return refuse(Constraint, path[0].cert, noPolicy)
	}
	return nil
}

// checkOwnPolicies is checkPolicies for a client that is a trust anchor itself. No
// certificate is processed then (section 6.1), so that no policy would be valid: what it
// says of itself counts instead, as it does for all else.
func checkOwnPolicies(leaf *certificate.Certificate, in PolicyInputs) *Error {
	if !in.Explicit || policiesValid([]*node{leafNode(leaf)}, []certificate.Policies{leaf.Policies()}, in) {
		return nil
	}
	return refuse(Constraint, leaf, noPolicy)
}

const noPolicy = "no valid certificate policy, and one is required"

func policiesValid(path []*node, all []certificate.Policies, in PolicyInputs) bool {
	below := len(all)
	counter := func(now bool) int {
		if now {
			return 0
		}
		return below + 1
	}
	explicit, mapping, inhibitAny := counter(in.Explicit), counter(in.InhibitMapping), counter(in.InhibitAny)
	graph := policyGraph{anyPolicy: {policy: anyPolicy, expected: []oid{anyPolicy}}}
	for i := below - 1; ; i-- {
		n, p := path[i], all[i]
		graph = graph.next(p.Asserted, inhibitAny > 0 || i > 0 && n.selfIssued())
		if i == 0 { // 6.1.5 (a), (b)
			return explicit > 1 && p.RequireExplicit != 0 || graph.meets(in.Initial)
		}
		if !graph.mapped(p.Mappings, mapping > 0) {
			return false
		}
		// 6.1.4 (h), (i), (j); below 0 is as good as 0
		if !n.selfIssued() {
			explicit, mapping, inhibitAny = explicit-1, mapping-1, inhibitAny-1
		}
		lower(&explicit, p.RequireExplicit)
		lower(&mapping, p.InhibitMapping)
		lower(&inhibitAny, p.InhibitAny)
	}
}

func lower(counter *int, to int) {
	if to >= 0 && to < *counter {
		*counter = to
	}
}

// next is 6.1.3 (d) and (e): the level of a certificate with these policies.
func (g policyGraph) next(asserted []oid, anyCounts bool) policyGraph {
	expecting := map[oid][]*policyNode{}
	for _, n := range g {
		for _, policy := range n.expected {
			expecting[policy] = append(expecting[policy], n)
		}
	}
	out := policyGraph{}
	add := func(policy oid, parents []*policyNode) {
		out[policy] = &policyNode{policy, []oid{policy}, parents}
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
func (g policyGraph) mapped(mappings [][2]oid, allowed bool) bool {
	to := map[oid][]oid{}
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
func (g policyGraph) meets(initial []oid) bool {
	if len(initial) == 0 || slices.Contains(initial, anyPolicy) || g[anyPolicy] != nil {
		return len(g) > 0
	}
	seen := map[*policyNode]bool{}
	var reaches func(n *policyNode) bool
	reaches = func(n *policyNode) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		wanted := slices.Contains(initial, n.policy)
		return slices.ContainsFunc(n.parents, func(p *policyNode) bool { return wanted && p.policy == anyPolicy || reaches(p) })
	}
	for _, n := range g {
		if reaches(n) {
			return true
		}
	}
	return false
}

package signature

import (
	"math/big"
	"math/bits"
)

// A modulus is divided by the primes below maxFactor through products of as many
// as fit into 32 bits. The powers of 2^32 modulo a product turn dividing into
// multiplying, by chunks of 2048 bits: it is asked of every client with an RSA
// key, and takes a tenth of a signature check.
const (
	maxFactor = 752
	chunk     = 64 // in 32 bits
)

type factorGroup struct {
	primes  []uint64
	product uint64
	powers  [chunk + 1]uint64 // of 2^32, modulo product
}

var factorGroups = func() (groups []factorGroup) {
	for p := uint64(2); p < maxFactor; p++ {
		if !new(big.Int).SetUint64(p).ProbablyPrime(0) {
			continue
		}
		if last := len(groups) - 1; last < 0 || groups[last].product*p >= 1<<32 {
			groups = append(groups, factorGroup{product: 1})
		}
		g := &groups[len(groups)-1]
		g.primes, g.product = append(g.primes, p), g.product*p
	}
	for i := range groups {
		g := &groups[i]
		g.powers[0] = 1
		for j := range chunk {
			g.powers[j+1] = g.powers[j] << 32 % g.product
		}
	}
	return groups
}()

// hasSmallFactor reports whether a prime below maxFactor divides n.
func hasSmallFactor(n *big.Int) bool {
	const halves = bits.UintSize / 32
	words := n.Bits()
	for i := range factorGroups {
		g := &factorGroups[i]
		rest := uint64(0)
		for end := len(words) * halves; end > 0; {
			start := (end - 1) / chunk * chunk
			var low, high uint64
			for j := start; j < end; j++ {
				term := uint64(uint32(words[j/halves]>>(32*(j%halves)))) * g.powers[j-start]
				low, high = low+uint64(uint32(term)), high+term>>32
			}
			rest = (rest*g.powers[chunk]%g.product + high%g.product<<32%g.product + low) % g.product
			end = start
		}
		for _, p := range g.primes {
			if rest%p == 0 {
				return true
			}
		}
	}
	return false
}

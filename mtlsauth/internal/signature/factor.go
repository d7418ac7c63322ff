package signature

import (
	"math"
	"math/big"
	"math/bits"
)

// A modulus is divided by the odd primes below maxFactor through products of as
// many as fit into 64 bits. The powers of 2^64 modulo a product turn dividing
// into multiplying, by chunks of 2048 bits: it is asked of every client with an
// RSA key, and takes a twentieth of a signature check.
const (
	maxFactor = 752
	chunk     = 32 // in 64 bits
)

type factorGroup struct {
	primes  []factor
	product uint64
	powers  [chunk + 1]uint64 // of 2^64, modulo product
}

// factor is a prime that divides r exactly if r times inverse is at most limit.
type factor struct{ inverse, limit uint64 }

var factorGroups = func() (groups []factorGroup) {
	for p := uint64(3); p < maxFactor; p += 2 {
		if !new(big.Int).SetUint64(p).ProbablyPrime(0) {
			continue
		}
		if last := len(groups) - 1; last < 0 || groups[last].product > math.MaxUint64/p {
			groups = append(groups, factorGroup{product: 1})
		}
		g := &groups[len(groups)-1]
		inverse := p // modulo 2^64: each step doubles the bits that are right, from 3
		for range 5 {
			inverse *= 2 - p*inverse
		}
		g.primes, g.product = append(g.primes, factor{inverse, math.MaxUint64 / p}), g.product*p
	}
	for i := range groups {
		g := &groups[i]
		g.powers[0] = 1
		for j := range chunk {
			g.powers[j+1] = bits.Rem64(g.powers[j], 0, g.product)
		}
	}
	return groups
}()

// hasSmallFactor reports whether a prime below maxFactor divides n.
func hasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	var room [MaxRSABits / 64]uint64 // so that nothing is allocated
	words := room[:0]
	for i, word := range n.Bits() {
		if bits.UintSize == 64 || i%2 == 0 {
			words = append(words, uint64(word))
		} else {
			words[i/2] |= uint64(word) << 32
		}
	}
	for i := range factorGroups {
		g := &factorGroups[i]
		rest := uint64(0)
		for end := len(words); end > 0; {
			start := (end - 1) / chunk * chunk
			// The rest goes in front of the chunk.
			middle, low := bits.Mul64(rest, g.powers[chunk])
			var high, carry uint64
			for j, word := range words[start:end] {
				h, l := bits.Mul64(word, g.powers[j])
				low, carry = bits.Add64(low, l, 0)
				middle, carry = bits.Add64(middle, h, carry)
				high += carry
			}
			rest = bits.Rem64(bits.Rem64(high, middle, g.product), low, g.product)
			end = start
		}
		for _, p := range g.primes {
			if rest*p.inverse <= p.limit {
				return true
			}
		}
	}
	return false
}

package merkle

import (
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Prefix is the first part of a tree, in the few hashes that are needed to continue it:
// one for each 1 in the binary number of its leaves, those of the largest subtrees first.
// The zero value is an empty tree.
type Prefix struct {
	size   int64
	hashes []tlog.Hash
}

// PrefixOf returns the first size leaves of a stored tree.
func (t *Tiles) PrefixOf(size int64) (Prefix, error) {
	var indexes []int64
	for level, from := 62, int64(0); level >= 0; level-- {
		if size&(1<<level) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, from>>level))
			from += 1 << level
		}
	}
	hashes, err := t.ReadHashes(indexes)
	return Prefix{size, hashes}, err
}

// NewPrefix returns a prefix of which the size and the hashes are known.
func NewPrefix(size int64, hashes []tlog.Hash) (Prefix, error) {
	if size < 0 || len(hashes) != bits.OnesCount64(uint64(size)) {
		return Prefix{}, errors.New("the number of hashes does not fit the size")
	}
	return Prefix{size, hashes}, nil
}

// Clone returns a copy that shares no memory.
func (p *Prefix) Clone() Prefix { return Prefix{p.size, slices.Clone(p.hashes)} }

// Hashes returns the hashes, those of the largest subtrees first.
func (p *Prefix) Hashes() []tlog.Hash { return p.hashes }

// Size returns the number of leaves.
func (p *Prefix) Size() int64 { return p.size }

// Append appends a leaf.
func (p *Prefix) Append(leaf tlog.Hash) {
	for level := p.size; level&1 == 1; level >>= 1 {
		last := len(p.hashes) - 1
		leaf, p.hashes = tlog.NodeHash(p.hashes[last], leaf), p.hashes[:last]
	}
	p.hashes = append(p.hashes, leaf)
	p.size++
}

// Root returns the root of the tree.
func (p *Prefix) Root() tlog.Hash {
	if p.size == 0 {
		return emptyRoot
	}
	root := p.hashes[len(p.hashes)-1]
	for i := len(p.hashes) - 2; i >= 0; i-- {
		root = tlog.NodeHash(p.hashes[i], root)
	}
	return root
}

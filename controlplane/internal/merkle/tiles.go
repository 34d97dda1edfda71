// Package merkle builds the Merkle tree over the entries of an audit log, proves what it
// contains, and writes its signed heads. The tree is that of RFC 6962 with SHA-256, in
// the implementation of golang.org/x/mod/sumdb/tlog; docs/spec/evidence.md describes the
// bytes.
package merkle

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8           // of a tile
	width  = 1 << height // hashes of a whole tile
)

// Leaf returns the hash of the leaf of an entry: that of the record that consists of the
// 32 bytes of the entry's hash, which is given in hex.
func Leaf(entryHash string) (tlog.Hash, error) {
	raw, err := hex.DecodeString(entryHash)
	if err != nil || len(raw) != tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("the hash %.80q of an entry is not %d bytes in hex", entryHash, tlog.HashSize)
	}
	return tlog.RecordHash(raw), nil
}

// Tiles reads the hashes of a tree from its tiles. It implements [tlog.HashReader] for
// sizes up to that of the stored tree. It is not safe for concurrent use.
type Tiles struct {
	// Stored returns the hashes of a stored tile, one after the other, or nil if it is
	// not stored.
	Stored func(level int, number int64) ([]byte, error)
	// Absent is the number of first leaves that are empty records, whose tiles are not
	// stored.
	Absent int64

	read map[tilePlace][]byte
}

type tilePlace struct {
	level  int
	number int64
}

// ReadHashes implements [tlog.HashReader].
func (t *Tiles) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(height, index)
		data, err := t.tile(tile.L, tile.N)
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %d of level %d of the Merkle tree has %d bytes, fewer than %d", tile.N, tile.L, len(data), tile.W*tlog.HashSize)
		}
		if hashes[i], err = tlog.HashFromTile(tile, data[:tile.W*tlog.HashSize], index); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// tile returns the hashes of a tile, as far as there are any.
func (t *Tiles) tile(level int, number int64) ([]byte, error) {
	place := tilePlace{level, number}
	if data, ok := t.read[place]; ok {
		return data, nil
	}
	data, err := t.Stored(level, number)
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = t.absent(level, number)
	}
	if t.read == nil {
		t.read = map[tilePlace][]byte{}
	}
	t.read[place] = data
	return data, nil
}

// absent returns the hashes of a tile that cover only empty records.
func (t *Tiles) absent(level int, number int64) (data []byte) {
	hash := EmptyLeaf()
	for range level * height {
		hash = tlog.NodeHash(hash, hash)
	}
	for range min(max(t.Absent>>(level*height)-number*width, 0), width) {
		data = append(data, hash[:]...)
	}
	return data
}

// CountTiles returns how many tiles a level has in a tree of size leaves, the last one
// perhaps in part. It is 0 for the levels above the tree.
func CountTiles(level int, size int64) int64 {
	return (size>>(level*height) + width - 1) / width
}

// CheckTile compares a tile of a tree of size leaves with the tile above it. If it returns
// nil for every tile of every level, and the root is right, then all hashes are.
func (t *Tiles) CheckTile(level int, number, size int64) error {
	data, err := t.tile(level, number)
	if err != nil {
		return err
	}
	hashes := min(size>>(level*height)-number*width, width)
	if int64(len(data)) < hashes*tlog.HashSize {
		return fmt.Errorf("tile %d of level %d has %d bytes, fewer than %d", number, level, len(data), hashes*tlog.HashSize)
	}
	if hashes < width {
		return nil // its hashes are part of the root
	}
	above, err := t.tile(level+1, number/width)
	if err != nil {
		return err
	}
	root, position := rootOf(data), int(number%width)*tlog.HashSize
	if len(above) < position+tlog.HashSize || !bytes.Equal(root[:], above[position:position+tlog.HashSize]) {
		return fmt.Errorf("tile %d of level %d does not fit the tile above it", number, level)
	}
	return nil
}

// Root returns the root of the tree with the first size leaves.
func (t *Tiles) Root(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, t) }

// Builder appends leaves to a tree.
type Builder struct {
	tiles   *Tiles
	size    int64
	changed map[tilePlace]bool
}

// NewBuilder returns a builder for a tree that has size leaves.
func NewBuilder(tiles *Tiles, size int64) *Builder {
	return &Builder{tiles: tiles, size: size, changed: map[tilePlace]bool{}}
}

// Append appends a leaf.
func (b *Builder) Append(leaf tlog.Hash) error {
	if err := b.put(0, b.size, leaf); err != nil {
		return err
	}
	b.size++
	return nil
}

// put appends the hash with that index in its level, and, if its tile is whole then, the
// hash of the tile to the level above.
func (b *Builder) put(level int, index int64, hash tlog.Hash) error {
	place := tilePlace{level, index / width}
	data, err := b.tiles.tile(level, place.number)
	if err != nil {
		return err
	}
	position := int(index % width)
	if len(data) < position*tlog.HashSize {
		return fmt.Errorf("tile %d of level %d of the Merkle tree has %d bytes, not %d", place.number, level, len(data), position*tlog.HashSize)
	}
	// Bytes after the position are those of an earlier, longer tree: a checkpoint that
	// was not stored.
	data = append(data[:position*tlog.HashSize:position*tlog.HashSize], hash[:]...)
	b.tiles.read[place], b.changed[place] = data, true
	if position < width-1 {
		return nil
	}
	return b.put(level+1, place.number, rootOf(data))
}

// rootOf returns the hash of a whole tile.
func rootOf(data []byte) tlog.Hash {
	hashes := make([]tlog.Hash, width)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	for len(hashes) > 1 {
		for i := range len(hashes) / 2 {
			hashes[i] = tlog.NodeHash(hashes[2*i], hashes[2*i+1])
		}
		hashes = hashes[:len(hashes)/2]
	}
	return hashes[0]
}

// Size returns the number of leaves.
func (b *Builder) Size() int64 { return b.size }

// Root returns the root of the tree.
func (b *Builder) Root() (tlog.Hash, error) { return b.tiles.Root(b.size) }

// Changed calls store for each tile that Append has changed.
func (b *Builder) Changed(store func(level int, number int64, hashes []byte) error) error {
	for place := range b.changed {
		if err := store(place.level, place.number, b.tiles.read[place]); err != nil {
			return err
		}
	}
	return nil
}

// EmptyLeaf returns the hash of the leaf of an entry that was archived before the tree
// began: that of an empty record.
func EmptyLeaf() tlog.Hash { return tlog.RecordHash(nil) }

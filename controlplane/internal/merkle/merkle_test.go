package merkle

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// memory is a tree in memory, and the same tree as tlog builds it, hash by hash.
type memory struct {
	tiles  map[tilePlace][]byte
	absent int64
	stored []tlog.Hash // as tlog stores it
	leaves int64
}

func (m *memory) open() *Tiles {
	return &Tiles{Absent: m.absent, Stored: func(level int, number int64) ([]byte, error) { return m.tiles[tilePlace{level, number}], nil }}
}

func (m *memory) ReadHashes(indexes []int64) (hashes []tlog.Hash, err error) {
	for _, i := range indexes {
		hashes = append(hashes, m.stored[i])
	}
	return hashes, nil
}

func (m *memory) reference(t *testing.T, record []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(m.leaves, record, m)
	require.NoError(t, err)
	m.stored = append(m.stored, hashes...)
	m.leaves++
}

func newMemory(t *testing.T, absent int64) *memory {
	t.Helper()
	m := &memory{tiles: map[tilePlace][]byte{}, absent: absent}
	for range absent {
		m.reference(t, nil)
	}
	return m
}

// extend appends n leaves in one batch, as one checkpoint does.
func (m *memory) extend(t *testing.T, n int) {
	t.Helper()
	b := NewBuilder(m.open(), m.leaves)
	for range n {
		record := fmt.Appendf(nil, "%032d", m.leaves)
		m.reference(t, record)
		leaf, err := Leaf(hex.EncodeToString(record))
		require.NoError(t, err)
		require.NoError(t, b.Append(leaf))
	}
	require.Equal(t, m.leaves, b.Size())
	root, err := b.Root()
	require.NoError(t, err)
	want, err := tlog.TreeHash(m.leaves, m)
	require.NoError(t, err)
	require.Equal(t, want, root)
	require.NoError(t, b.Changed(func(level int, number int64, hashes []byte) error {
		m.tiles[tilePlace{level, number}] = append([]byte(nil), hashes...)
		return nil
	}))
}

func TestBuilder_Batches_BuildTheTreeOfTlog(t *testing.T) {
	t.Parallel()
	for _, absent := range []int64{0, 1, 255, 256, 257, 700, 65_536, 66_000} {
		t.Run(strconv.FormatInt(absent, 10), func(t *testing.T) {
			t.Parallel()
			m := newMemory(t, absent)
			var range0 Prefix
			if absent > 0 {
				var err error
				range0, err = m.open().PrefixOf(absent)
				require.NoError(t, err)
			}
			for _, n := range []int{1, 2, 252, 1, 1, 300, 1000, 256} {
				for i := range n {
					leaf, err := Leaf(hex.EncodeToString(fmt.Appendf(nil, "%032d", m.leaves+int64(i))))
					require.NoError(t, err)
					range0.Append(leaf)
				}
				m.extend(t, n)
				root, err := m.open().Root(m.leaves)
				require.NoError(t, err)
				require.Equal(t, root, range0.Root())
				require.Equal(t, m.leaves, range0.Size())
				prefix, err := m.open().PrefixOf(m.leaves)
				require.NoError(t, err)
				require.Equal(t, range0.Hashes(), prefix.Hashes())
			}
			for level := 0; CountTiles(level, m.leaves) > 0; level++ {
				for number := range CountTiles(level, m.leaves) {
					require.NoError(t, m.open().CheckTile(level, number, m.leaves), "tile %d of level %d", number, level)
				}
			}
			last := m.leaves - 1
			root, err := m.open().Root(m.leaves)
			require.NoError(t, err)
			for _, leaf := range []int64{absent, absent + 1, absent + 300, last} {
				proof, err := tlog.ProveRecord(m.leaves, leaf, m.open())
				require.NoError(t, err)
				require.NoError(t, tlog.CheckRecord(proof, m.leaves, root, leaf, tlog.RecordHash(fmt.Appendf(nil, "%032d", leaf))))
			}
			for _, size := range []int64{1, max(absent/2, 1), absent + 1, absent + 511, last} {
				old, err := m.open().Root(size)
				require.NoError(t, err)
				proof, err := tlog.ProveTree(m.leaves, size, m.open())
				require.NoError(t, err)
				require.NoError(t, tlog.CheckTree(proof, m.leaves, root, size, old), "from %d", size)
			}
		})
	}
}

// What a transaction that was rolled back had written is not there again: an append
// replaces what follows its position.
func TestBuilder_LongerTileStored_IsCutOff(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 0)
	m.extend(t, 10)
	m.tiles[tilePlace{0, 0}] = append(m.tiles[tilePlace{0, 0}], make([]byte, 64)...)
	m.extend(t, 1)
	require.Len(t, m.tiles[tilePlace{0, 0}], 11*tlog.HashSize)
}

// A change of any stored hash is found by its tile or by the root.
func TestCheckTile_AnyHashChanged_IsFound(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 0)
	m.extend(t, 600)
	root, err := m.open().Root(600)
	require.NoError(t, err)
	whole := func() bool {
		for level := 0; CountTiles(level, 600) > 0; level++ {
			for number := range CountTiles(level, 600) {
				if m.open().CheckTile(level, number, 600) != nil {
					return false
				}
			}
		}
		now, err := m.open().Root(600)
		return err == nil && now == root
	}
	require.True(t, whole())
	for place, data := range m.tiles {
		for i := 0; i < len(data); i += 31 {
			data[i] ^= 1
			require.False(t, whole(), "byte %d of tile %d of level %d", i, place.number, place.level)
			data[i] ^= 1
		}
		delete(m.tiles, place)
		require.False(t, whole(), "without tile %d of level %d", place.number, place.level)
		m.tiles[place] = data
	}
	require.True(t, whole())
}

func TestTiles_MissingOrShort_IsAnError(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 0)
	m.extend(t, 300)
	delete(m.tiles, tilePlace{0, 1})
	_, err := m.open().Root(300)
	require.ErrorContains(t, err, "tile 1 of level 0")
	b := NewBuilder(m.open(), 300)
	require.ErrorContains(t, b.Append(tlog.Hash{}), "tile 1 of level 0")
}

func TestNewPrefix_WrongNumberOfHashes_IsRefused(t *testing.T) {
	t.Parallel()
	for size, n := range map[int64]int{-1: 0, 0: 1, 1: 0, 5: 1, 7: 4} {
		_, err := NewPrefix(size, make([]tlog.Hash, n))
		require.Error(t, err, "%d hashes for %d leaves", n, size)
	}
	var empty Prefix
	root, err := tlog.TreeHash(0, nil)
	require.NoError(t, err)
	require.Equal(t, root, empty.Root())
}

func TestParseCheckpoint_AnyByteChanged_IsAnErrorOrAnotherCheckpoint(t *testing.T) {
	t.Parallel()
	c := Checkpoint{
		Origin: "aureus/0011223344556677/default", Size: 1200, Root: tlog.RecordHash([]byte("x")),
		Time: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), Head: hex.EncodeToString(make([]byte, 32)),
	}
	require.Equal(t, "aureus/0011223344556677/default\n1200\n"+c.Root.String()+"\ntime 2026-03-01T12:00:00.000000005Z\nhead "+c.Head+"\n", c.Text())
	for _, text := range []string{c.Text(), c.Text() + "\n— x y\n"} {
		read, err := ParseCheckpoint(text)
		require.NoError(t, err)
		require.Equal(t, c, read)
	}
	empty := c
	empty.Absent = 40
	require.Equal(t, c.Text()+"absent 40\n", empty.Text())
	read, err := ParseCheckpoint(empty.Text())
	require.NoError(t, err)
	require.Equal(t, empty, read)
	for _, wrong := range []string{"absent 0\n", "absent 1200\n", "absent -1\n", "absent 040\n", "absent x\n", "absent 4\nabsent 4\n"} {
		_, err := ParseCheckpoint(c.Text() + wrong)
		require.Error(t, err, wrong)
	}
	for i := range len(c.Text()) {
		changed := []byte(c.Text())
		changed[i] ^= 1
		read, err := ParseCheckpoint(string(changed))
		require.True(t, err != nil || read != c, "byte %d", i)
	}
	for _, wrong := range []string{"", "\n", c.Text() + "more\n", "aureus/a/b\n01\n" + c.Root.String() + "\ntime x\nhead y\n"} {
		_, err := ParseCheckpoint(wrong)
		require.Error(t, err)
	}
}

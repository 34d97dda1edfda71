package observe

const (
	// maxWindow and maxWindowBytes limit what a feed keeps in memory of each store.
	maxWindow      = 1024
	maxWindowBytes = 4 << 20
)

// window holds the latest items of a store: all items with a sequence greater than
// from and not greater than to.
type window[T any] struct {
	from, to int64
	items    []T
	bytes    int
}

// add appends items, after which the window reaches to the sequence to, and drops
// the oldest items beyond the limits. describe returns an item's sequence and its
// size in bytes. Copies of the window made before are unchanged.
func (w *window[T]) add(items []T, to int64, describe func(T) (sequence int64, size int)) {
	for _, item := range items {
		_, size := describe(item)
		w.bytes += size
	}
	w.items, w.to = append(w.items, items...), to
	drop := 0
	for len(w.items)-drop > maxWindow || w.bytes > maxWindowBytes {
		sequence, size := describe(w.items[drop])
		w.from = sequence
		w.bytes -= size
		drop++
	}
	if drop > 0 {
		w.items = append([]T(nil), w.items[drop:]...)
	}
}

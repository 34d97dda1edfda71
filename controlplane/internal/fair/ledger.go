// Package fair counts stored entries by owner. If there are too many, the owner
// with the largest share loses entries first.
package fair

import (
	"container/list"
	"time"
)

// Owner identifies the key, within its tenant, that an entry is counted for.
type Owner struct{ Tenant, Key string }

// Bounds limits the number of entries and the sum of their costs.
type Bounds struct{ Rows, Cost int64 }

// Ledger holds entries until they are removed because they are too old or too
// many. It is not safe for concurrent use. The zero value is empty.
type Ledger[T any] struct {
	all     list.List // of *entry[T], in the order of Add
	total   usage
	tenants map[string]*tenant
}

type usage struct{ rows, cost int64 }

func (u *usage) add(rows, cost int64) { u.rows, u.cost = u.rows+rows, u.cost+cost }

// share returns the used part of the rows or of the cost, whichever is larger.
func (u *usage) share(b Bounds) float64 {
	return max(float64(u.rows)/float64(b.Rows), float64(u.cost)/float64(b.Cost))
}

type tenant struct {
	usage

	keys map[string]*key
}

type key struct {
	usage

	entries list.List // of *entry[T], in the order of Add
}

type entry[T any] struct {
	value         T
	owner         Owner
	cost          int64
	addedAt       time.Time
	inAll, inKeys *list.Element
}

// Add adds an entry for the owner.
func (l *Ledger[T]) Add(owner Owner, value T, cost int64, addedAt time.Time) {
	if l.tenants == nil {
		l.tenants = map[string]*tenant{}
	}
	t := l.tenants[owner.Tenant]
	if t == nil {
		t = &tenant{keys: map[string]*key{}}
		l.tenants[owner.Tenant] = t
	}
	k := t.keys[owner.Key]
	if k == nil {
		k = &key{}
		t.keys[owner.Key] = k
	}
	e := &entry[T]{value: value, owner: owner, cost: cost, addedAt: addedAt}
	e.inAll, e.inKeys = l.all.PushBack(e), k.entries.PushBack(e)
	for _, u := range []*usage{&l.total, &t.usage, &k.usage} {
		u.add(1, cost)
	}
}

// Usage returns the number of entries and the sum of their costs.
func (l *Ledger[T]) Usage() (rows, cost int64) { return l.total.rows, l.total.cost }

// Expire removes the oldest entry and returns it, if it was added before the given
// time. ok is false if there is no such entry.
func (l *Ledger[T]) Expire(before time.Time) (value T, ok bool) {
	front := l.all.Front()
	if front == nil {
		return value, false
	}
	e, _ := front.Value.(*entry[T]) // the list has only such elements
	if !e.addedAt.Before(before) {
		return value, false
	}
	return l.remove(e), true
}

// Evict removes an entry and returns it, if the bounds are exceeded. It takes the
// oldest entry of the key with the largest share, in the tenant with the largest
// share.
func (l *Ledger[T]) Evict(b Bounds) (value T, ok bool) {
	if l.total.rows == 0 || l.total.rows <= b.Rows && l.total.cost <= b.Cost {
		return value, false
	}
	var t *tenant
	for _, other := range l.tenants {
		if t == nil || other.share(b) > t.share(b) {
			t = other
		}
	}
	var k *key
	for _, other := range t.keys {
		if k == nil || other.share(b) > k.share(b) {
			k = other
		}
	}
	e, _ := k.entries.Front().Value.(*entry[T]) // a key in the map has at least one entry
	return l.remove(e), true
}

func (l *Ledger[T]) remove(e *entry[T]) T {
	t := l.tenants[e.owner.Tenant]
	k := t.keys[e.owner.Key]
	l.all.Remove(e.inAll)
	k.entries.Remove(e.inKeys)
	for _, u := range []*usage{&l.total, &t.usage, &k.usage} {
		u.add(-1, -e.cost)
	}
	if k.rows == 0 {
		delete(t.keys, e.owner.Key)
	}
	if t.rows == 0 {
		delete(l.tenants, e.owner.Tenant)
	}
	return e.value
}

// Package fair keeps the account of what is kept for whom, so that where there is
// too much, whoever has most gives way.
package fair

import (
	"container/list"
	"time"
)

// Owner is for whom something is kept.
type Owner struct{ Tenant, Key string }

// Bounds are how many entries there may be, and their cost together.
type Bounds struct{ Rows, Cost int64 }

// Ledger holds entries until there are too many or they are too old. It is not
// safe for concurrent use. The zero value is empty.
type Ledger[T any] struct {
	all     list.List // of *entry[T], in the order in which they were added
	total   usage
	tenants map[string]*tenant
}

type usage struct{ rows, cost int64 }

func (u *usage) add(rows, cost int64) { u.rows, u.cost = u.rows+rows, u.cost+cost }

// weight is the part of the bounds that is used.
func (u *usage) weight(b Bounds) float64 {
	return max(float64(u.rows)/float64(b.Rows), float64(u.cost)/float64(b.Cost))
}

type tenant struct {
	usage

	keys map[string]*key
}

type key struct {
	usage

	entries list.List // of *entry[T], the oldest first
}

type entry[T any] struct {
	value         T
	owner         Owner
	cost          int64
	at            time.Time
	inAll, inKeys *list.Element
}

// Add adds an entry of the owner.
func (l *Ledger[T]) Add(owner Owner, value T, cost int64, at time.Time) {
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
	e := &entry[T]{value: value, owner: owner, cost: cost, at: at}
	e.inAll, e.inKeys = l.all.PushBack(e), k.entries.PushBack(e)
	for _, u := range []*usage{&l.total, &t.usage, &k.usage} {
		u.add(1, cost)
	}
}

// Usage is how many entries there are, and their cost.
func (l *Ledger[T]) Usage() (rows, cost int64) { return l.total.rows, l.total.cost }

// Expire removes the oldest entry where it was added before the time, and says
// whether it was.
func (l *Ledger[T]) Expire(before time.Time) (value T, ok bool) {
	front := l.all.Front()
	if front == nil {
		return value, false
	}
	e, _ := front.Value.(*entry[T]) // nothing else is added
	if !e.at.Before(before) {
		return value, false
	}
	return l.remove(e), true
}

// Evict removes an entry where there is more than the bounds allow: the oldest
// of the key that has most, in the tenant that has most.
func (l *Ledger[T]) Evict(b Bounds) (value T, ok bool) {
	if l.total.rows == 0 || l.total.rows <= b.Rows && l.total.cost <= b.Cost {
		return value, false
	}
	var t *tenant
	for _, other := range l.tenants {
		if t == nil || other.weight(b) > t.weight(b) {
			t = other
		}
	}
	var k *key
	for _, other := range t.keys {
		if k == nil || other.weight(b) > k.weight(b) {
			k = other
		}
	}
	e, _ := k.entries.Front().Value.(*entry[T]) // a key without entries is not there
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

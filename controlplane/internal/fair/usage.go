package fair

// Usage holds the number of an owner's entries and the sum of their costs.
type Usage struct {
	Owner

	Rows, Cost int64
}

// Largest chooses the owner whose entry is to be removed next, by the rule of
// [Ledger.Evict]: it returns the index of the key with the largest share in the
// tenant with the largest share, or the first of several equal ones. exceeded is
// false, and index is meaningless, if all usages together are within the bounds.
func Largest(usages []Usage, b Bounds) (index int, exceeded bool) {
	var all usage
	tenants := map[string]*usage{}
	for _, u := range usages {
		t := tenants[u.Tenant]
		if t == nil {
			t = &usage{}
			tenants[u.Tenant] = t
		}
		t.add(u.Rows, u.Cost)
		all.add(u.Rows, u.Cost)
	}
	if all.rows == 0 || all.rows <= b.Rows && all.cost <= b.Cost {
		return 0, false
	}
	largest := -1
	for i, u := range usages {
		if u.Rows == 0 {
			continue
		}
		own := usage{u.Rows, u.Cost}
		if largest < 0 {
			largest = i
			continue
		}
		other := usage{usages[largest].Rows, usages[largest].Cost}
		tenantShare, otherTenantShare := tenants[u.Tenant].share(b), tenants[usages[largest].Tenant].share(b)
		if tenantShare > otherTenantShare || u.Tenant == usages[largest].Tenant && own.share(b) > other.share(b) {
			largest = i
		}
	}
	return largest, true
}

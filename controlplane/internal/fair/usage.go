package fair

// Usage is how much of what is bounded an owner has.
type Usage struct {
	Owner

	Rows, Cost int64
}

// Largest says whose entry has to be removed next, as [Ledger.Evict] does: the index
// of the key with the largest share in the tenant with the largest share. exceeded is
// false where all usages together are within the bounds. Of equal shares the first
// one in usages counts.
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
	best := -1
	for i, u := range usages {
		if u.Rows == 0 {
			continue
		}
		own := usage{u.Rows, u.Cost}
		if best < 0 {
			best = i
			continue
		}
		most := usage{usages[best].Rows, usages[best].Cost}
		tenant, mostTenant := tenants[u.Tenant].share(b), tenants[usages[best].Tenant].share(b)
		if tenant > mostTenant || u.Tenant == usages[best].Tenant && own.share(b) > most.share(b) {
			best = i
		}
	}
	return best, true
}

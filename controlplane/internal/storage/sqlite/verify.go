package sqlite

// FirstDifference implements [storage.AuditRows].
func (t audit) FirstDifference(tenant string, from, upTo int64) (first int64, err error) {
	for _, query := range []string{
		`SELECT coalesce(min(d.sequence), 0) FROM decisions d LEFT JOIN audit a ON a.tenant = d.tenant AND a.sequence = d.sequence
			WHERE d.tenant = ? AND d.sequence > ? AND d.sequence <= ? AND (a.sequence IS NULL OR a.kind <> 'decision' OR a.decision_id <> d.decision_id
				OR a.principal <> d.principal OR a.action <> d.action OR a.decision <> d.effect OR a.by <> d.subject)`,
		`SELECT coalesce(min(o.sequence), 0) FROM outcomes o LEFT JOIN audit a ON a.tenant = o.tenant AND a.sequence = o.sequence
			WHERE o.tenant = ? AND o.sequence > ? AND o.sequence <= ? AND (a.sequence IS NULL OR a.kind <> 'outcome' OR a.decision_id <> o.decision_id
				OR a.decision <> o.status)`,
	} {
		var differs int64
		if err := t.row(query, tenant, from, upTo).Scan(&differs); err != nil {
			return 0, err
		}
		if differs > 0 && (first == 0 || differs < first) {
			first = differs
		}
	}
	return first, nil
}

// MinLength implements [storage.AuditRows].
func (t audit) MinLength(tenant string) (n int64, err error) {
	err = t.row(`SELECT max(
			(SELECT coalesce(max(sequence), 0) FROM decisions WHERE tenant = ?1),
			(SELECT coalesce(max(sequence), 0) FROM outcomes WHERE tenant = ?1),
			(SELECT count(*) FROM (SELECT 1 FROM keys WHERE tenant = ?1)))`, tenant).Scan(&n)
	return n, err
}

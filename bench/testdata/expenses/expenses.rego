package expenses

roles := {"ann": {"employee"}, "max": {"employee", "manager"}, "ada": {"auditor"}}

default allow := false

allow if {
	granted
	count(refused) == 0
}

granted if {
	input.action == "expense.read"
	"employee" in roles[input.principal.id]
	input.arguments.owner == input.principal.id
}

granted if {
	input.action == "expense.pay"
	"manager" in roles[input.principal.id]
	input.arguments.department == input.claims.department
}

granted if {
	input.action == "expense.read"
	"auditor" in roles[input.principal.id]
}

refused contains "own" if {
	input.action == "expense.pay"
	input.arguments.owner == input.principal.id
}

refused contains "large" if {
	input.action == "expense.pay"
	input.arguments.amount > 1000
}

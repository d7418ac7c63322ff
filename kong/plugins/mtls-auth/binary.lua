-- The path of the program mtls-auth: `mtls-auth lua -out` writes it here.
return false

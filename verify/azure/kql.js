// Prints what the parser of Azure (Kusto.Language) says about queries: node kql.js MODULES TABLES QUERIES, both JSON files.
const path = require('path'), fs = require('fs'), modules = process.argv[2];
require(path.join(modules, '@kusto/language-service-next/bridge.js'));
require(path.join(modules, '@kusto/language-service-next/Kusto.Language.Bridge.js'));
const K = Kusto.Language, S = K.Symbols, read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const tables = read(process.argv[3]).map((table) =>
  S.TableSymbol.From('(' + table.Properties.map((column) => `['${column.Name}']:${column.Type.toLowerCase().replace('boolean', 'bool')}`).join(', ') + ')').WithName(table.Name));
const globals = K.GlobalState.Default.WithDatabase(new S.DatabaseSymbol.ctor('workspace', tables));
for (const [name, query] of Object.entries(read(process.argv[4]))) {
  const found = K.KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  for (let i = 0; i < found.Count; i++) {
    const item = found.getItem(i);
    console.log(`${name}: ${item.Severity} ${item.Code} at ${item.Start}: ${item.Message}`);
  }
}

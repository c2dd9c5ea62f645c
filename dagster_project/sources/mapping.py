"""The contracts of a shop's systems under the names that its own extracts use (shop.yaml, `columns`)."""

from dagster_project.shop import Header, Shop, SourceSystem
from dagster_project.sources.contract import NOT_NAMED, Column, System, Table, load_loader, load_system


def contracts_of(shop: Shop) -> dict[str, System]:
    """The shop's systems by name.

    Raises:
        ValueError: shop.yaml names a system, table or column that no source.yaml declares.
    """
    return {name: mapped(load_system(name), source, f"{shop.folder / 'shop.yaml'}: source {name}") for name, source in shop.sources.items()}


def mapped(system: System, source: SourceSystem, where: str) -> System:
    unknown = sorted({*source.columns, *source.pulls, *source.not_used, *(source.tables or [])} - set(system.tables))
    if unknown:
        raise ValueError(f"{where} names {', '.join(unknown)}; source.yaml declares the tables {', '.join(system.tables)}.")
    tables = {
        name: with_headers(table, source.columns[name], f"{where}, table {name}") if name in source.columns else table
        for name, table in system.tables.items()
    }
    tables = {name: table.model_copy(update={"not_used": source.not_used.get(name, [])}) for name, table in tables.items()}
    if source.encoding:
        tables = {name: table.model_copy(update={"encoding": source.encoding}) for name, table in tables.items()}
    if source.loader:
        pulls = load_loader(system.system, source.loader).tables | source.pulls
        tables = {name: table.model_copy(update={"pull": pulls.get(name)}) for name, table in tables.items()}
    elif source.pulls:
        tables = {name: table.model_copy(update={"pull": source.pulls.get(name, table.pull)}) for name, table in tables.items()}
    return system.model_copy(update={"tables": tables})


def with_headers(table: Table, headers: dict[str, str | Header], where: str) -> Table:
    """The table as this shop's extracts write it. A column that shop.yaml does not map is not there, whatever a header happens to be called."""
    unknown = sorted(set(headers) - set(table.columns))
    if unknown:
        raise ValueError(f"{where}: source.yaml declares no column {', '.join(unknown)}; it has {', '.join(table.columns)}.")
    columns = {name: renamed(name, column, headers.get(name)) for name, column in table.columns.items()}
    return table.model_copy(update={"columns": columns, "in_order": False})


def renamed(name: str, column: Column, header: str | Header | None) -> Column:
    if header is None:
        return column.model_copy(update={"header": NOT_NAMED.format(name), "required": False})
    if isinstance(header, str):
        return column.model_copy(update={"header": header})
    return column.model_copy(
        update={"header": header.header, "format": header.format or column.format, "required": header.required or column.required}
    )

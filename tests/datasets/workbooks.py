"""Workbooks of a sheet, as the standard has them, without the parts that nobody reads."""

import io
import zipfile


def zipped(**files: str | bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, inside in files.items():
            archive.writestr(name, inside)
    return content.getvalue()


def workbook(rows: list[list], name: str = "Data", before: tuple = ()) -> bytes:
    """A workbook as the standard has it, without the parts that nobody reads."""
    body = "".join(f"<row>{''.join(cell(value) for value in row)}</row>" for row in [*before, *rows])
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kinds = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return zipped(**{
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{kinds}"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{office}"><sheets>'
        f'<sheet name="Notes" sheetId="2" r:id="r3"/><sheet name="{name}" sheetId="1" r:id="r2"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{kinds}"><Relationship Id="r2" Type="{office}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="r3" Type="{office}/worksheet" '
        'Target="worksheets/sheet2.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}"><sheetData>{body}</sheetData></worksheet>',
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{space}"><sheetData/></worksheet>',
    })  # fmt: skip


def cell(value) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"
